"""Offers the indicators of a front."""

from __future__ import annotations

from collections.abc import Iterator

from moft import Component, hookimpl


@hookimpl
def moft_indicators() -> Iterator[Component]:
    """The four shipped indicators."""
    yield Component("hypervolume", "moft_fronts.hypervolume:Hypervolume", "volume dominated above a reference point")
    yield Component("spacing", "moft_fronts.spacing:Spacing", "how unevenly the front's points are spaced")
    yield Component("coverage", "moft_fronts.coverage:Coverage", "how wide the front is, mean over objectives")
    yield Component("monotonicity", "moft_fronts.monotonicity:Monotonicity", "how often an objective rises with its weight")
