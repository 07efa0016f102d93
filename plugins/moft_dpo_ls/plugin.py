"""Offers linear scalarisation, one model for each weighting."""

from __future__ import annotations

from collections.abc import Iterable

from moft import Component, hookimpl


@hookimpl
def moft_methods() -> Iterable[Component]:
    """Offer the method."""
    yield Component("dpo-ls", "moft_dpo_ls.method:DPOLS", "a model of its own for each weighting of a grid")
