"""The fixed sampler keeps the contract and checks its vector."""

from __future__ import annotations

import pytest
from torch import Generator, tensor
from torch.testing import assert_close

from moft import ConfigError
from moft.testing import check_sampler
from moft_samplers.fixed import Fixed


def test_fixed_keeps_the_contract():
    check_sampler(lambda size: Fixed(size, value=[1 / size] * size))
    check_sampler(lambda size: Fixed(size, value=[3.0] * size), simplex=False)


def test_every_draw_and_the_grid_are_the_value():
    sampler = Fixed(2, value=[0.3, 0.7])
    assert_close(sampler.draw(3, Generator()), tensor([[0.3, 0.7]] * 3))
    assert_close(sampler.grid(11), tensor([[0.3, 0.7]]))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1.0], "has 1 entries; it needs one for each of the 2"),
        ([0.0, 0.0], "not all zero"),
        ([-1.0, 2.0], ">= 0"),
        ([float("inf"), 1.0], "finite"),
    ],
)
def test_a_vector_that_cannot_be_is_refused(value, message):
    with pytest.raises(ConfigError, match=message):
        Fixed(2, value=value)
