"""What a module saves of its own, and what its copies share."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from moft.engine.policies.state_dict import load_own, own_copy, own_state


class Adapted(nn.Module):
    """A frozen layer, known by two names, a trained one and a buffer."""

    def __init__(self):
        super().__init__()
        self.base = nn.Linear(3, 2).requires_grad_(False)
        self.tied = self.base.weight
        self.adapter = nn.Linear(3, 2)
        self.register_buffer("scale", torch.ones(1))

    def forward(self, x):
        return (self.base(x) + self.adapter(x)) * self.scale


def test_frozen_parameters_are_left_out_under_all_their_names():
    assert set(own_state(Adapted())) == {"adapter.weight", "adapter.bias", "scale"}


def test_what_was_saved_comes_back_and_the_frozen_part_stays():
    one, other = Adapted(), Adapted()
    frozen = other.base.weight.clone()
    load_own(other, {name: value + 1 for name, value in own_state(one).items()})
    assert_close(other.adapter.weight, one.adapter.weight + 1)
    assert_close(other.scale, one.scale + 1)
    assert_close(other.base.weight, frozen)


def test_a_foreign_name_or_shape_is_refused():
    with pytest.raises(RuntimeError, match="Unexpected key"):
        load_own(Adapted(), {"strange": torch.zeros(1)})
    with pytest.raises(RuntimeError, match="size mismatch"):
        load_own(Adapted(), {"scale": torch.zeros(2)})


def test_copies_share_frozen_parameters_and_nothing_else():
    one = Adapted()
    other = own_copy(one)
    assert other.base.weight is one.base.weight
    assert other.tied is one.base.weight
    assert other.adapter.weight is not one.adapter.weight
    assert other.scale is not one.scale
    x = torch.randn(4, 3)
    assert_close(other(x), one(x))
    with torch.no_grad():
        other.adapter.weight.add_(1)
    assert not torch.allclose(other(x), one(x))
