"""The smooth maximum."""

import torch
from moft_soft_maximum import plugin
from moft_soft_maximum.scalarizer import SoftMaximum

from moft.testing import check_plugin, check_scalarizer


def test_contract():
    check_plugin(plugin)
    check_scalarizer(SoftMaximum())


def test_a_sharp_one_is_the_maximum():
    losses, weights = torch.tensor([[2.0, 1.0]]), torch.tensor([[0.5, 0.5]])
    assert abs(SoftMaximum(sharpness=1000.0)(losses, weights).item() - 1.0) < 1e-3
