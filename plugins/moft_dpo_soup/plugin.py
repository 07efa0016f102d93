"""Registers the method `dpo-soup`."""

from __future__ import annotations

from collections.abc import Iterable

from moft import Component, hookimpl


@hookimpl
def moft_methods() -> Iterable[Component]:
    """The method."""
    yield Component("dpo-soup", "moft_dpo_soup.method:DPOSoup", "a model for each objective, their parameters averaged by weight")
