"""Registers the indicators of a front."""

from __future__ import annotations

from collections.abc import Iterator

from moft import Component, hookimpl


@hookimpl
def moft_indicators() -> Iterator[Component]:
    """The indicators."""
    yield Component("hypervolume", "moft_indicators.hypervolume:Hypervolume", "volume dominated above a reference point")
    yield Component("spacing", "moft_indicators.spacing:Spacing", "how unevenly the front's points are spaced")
    yield Component("coverage", "moft_indicators.coverage:Coverage", "how wide the front is, mean over objectives")
    yield Component("monotonicity", "moft_indicators.monotonicity:Monotonicity", "how often an objective rises with its weight")
