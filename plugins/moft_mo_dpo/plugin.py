"""Registers the method `mo-dpo`."""

from __future__ import annotations

from collections.abc import Iterable

from moft import Component, hookimpl


@hookimpl
def moft_methods() -> Iterable[Component]:
    """The method."""
    yield Component("mo-dpo", "moft_mo_dpo.method:MODPO", "a model for each weighting, with margins from single-objective models")
