"""The width of a front."""

import torch
from moft_width import plugin
from moft_width.indicator import Width

from moft.testing import check_indicator, check_plugin


def test_contract():
    check_plugin(plugin)
    check_indicator(Width())


def test_a_front_of_two_points_is_as_wide_as_they_are_apart():
    assert Width()(torch.tensor([[0.0, 4.0], [3.0, 0.0]]), torch.eye(2)) == 5.0
