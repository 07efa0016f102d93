"""The contract of indicators."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from moft.interfaces import Indicator
from moft.testing.contracts.assertions import drawn_weights, require


def check_indicator(indicator: Indicator, m: int | None = None) -> None:
    """Checks the contract of indicators, on random fronts.

    It has a name and a meaning. It gives a finite float for any number of points from one on. The order of the points does not
    change the value, and inputs are not changed.

    Args:
        indicator: to check.
        m: number of objectives, when its settings fix it; None checks one, two, three and five.

    Raises:
        AssertionError: a rule is broken; the message gives the rule, what was found and the input.
    """
    for attribute in ("name", "meaning"):
        text = getattr(indicator, attribute, None)
        require(isinstance(text, str) and bool(text), f"`{attribute}`, a text that is not empty", repr(text), "the indicator")
    generator = Generator().manual_seed(0)
    for objectives in (1, 2, 3, 5) if m is None else (m,):
        for n in (1, 2, 11):
            points = torch.rand(n, objectives, generator=generator)
            _check_front(
                indicator, points, drawn_weights(n, objectives, generator), f"{n} random points of {objectives} objectives"
            )
        same = torch.full((4, objectives), 0.5)
        _check_front(indicator, same, drawn_weights(4, objectives, generator), f"four equal points of {objectives} objectives")


def _check_front(indicator: Indicator, points: Tensor, weights: Tensor, on: str) -> None:
    before = points.clone(), weights.clone()
    value = indicator(points, weights)
    require(isinstance(value, float), "a float", type(value).__name__, on)
    require(math.isfinite(value), "a finite number", value, on)
    untouched = torch.equal(points, before[0]) and torch.equal(weights, before[1])
    require(untouched, "inputs are not changed", "one was changed in place", on)
    again = indicator(points.flip(0), weights.flip(0))
    require(
        math.isclose(again, value, rel_tol=1e-5, abs_tol=1e-6),
        "the order of the points does not change the value",
        (value, again),
        on,
    )
