"""The contract of indicators refuses every broken rule, by its words."""

from __future__ import annotations

import pytest

from moft.testing import check_indicator


class Best:
    name = "best"
    meaning = "the largest value of the first objective, in its unit"

    def __call__(self, points, weights):
        return float(points[:, 0].max())


class Nameless(Best):
    name = ""


class Meaningless(Best):
    meaning = None


class AsTensor(Best):
    def __call__(self, points, weights):
        return points[:, 0].max()


class Deviation(Best):
    def __call__(self, points, weights):
        return float(points[:, 0].std())


class Sorting(Best):
    def __call__(self, points, weights):
        points.copy_(points.sort(0, descending=True).values)
        return float(points[0, 0])


class First(Best):
    def __call__(self, points, weights):
        return float(points[0, 0])


def test_a_sound_indicator_passes():
    check_indicator(Best())
    check_indicator(Best(), m=4)


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        (Nameless, "`name`, a text that is not empty"),
        (Meaningless, "`meaning`, a text that is not empty"),
        (AsTensor, "a float"),
        (Deviation, "a finite number"),
        (Sorting, "inputs are not changed"),
        (First, "the order of the points does not change the value"),
    ],
)
@pytest.mark.filterwarnings("ignore:std")
def test_a_broken_indicator_is_refused_with_the_rule(broken, rule):
    with pytest.raises(AssertionError, match=f"expected: .*{rule}.*; got: .*; input: "):
        check_indicator(broken())
