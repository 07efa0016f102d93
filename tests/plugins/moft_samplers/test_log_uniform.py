"""The log-uniform sampler keeps the contract, makes every factor as likely, and lays out equal factors."""

from __future__ import annotations

import pytest
import torch
from torch import Generator, tensor
from torch.testing import assert_close

from moft import ConfigError
from moft.testing import check_sampler
from moft_samplers.log_uniform import LogUniform


@pytest.mark.parametrize(("low", "high"), [(0.1, 10.0), (1.0, 1.001), (1e-12, 1e12)])
def test_log_uniform_keeps_the_contract(low, high):
    check_sampler(lambda size: LogUniform(size, low=low, high=high), simplex=False)


def test_every_factor_is_as_likely():
    drawn = LogUniform(2, low=0.01, high=100.0).draw(20_000, Generator().manual_seed(0))
    assert drawn.min() >= 0.01
    assert drawn.max() <= 100.0
    counts = torch.histc(drawn.log10(), bins=4, min=-2, max=2)
    assert_close(counts / counts.sum(), torch.full((4,), 0.25), rtol=0, atol=0.01)


def test_entries_are_independent():
    logs = LogUniform(2, low=0.1, high=10.0).draw(20_000, Generator().manual_seed(0)).log()
    assert abs(torch.corrcoef(logs.T)[0, 1]) < 0.03


def test_a_grid_of_one_entry_has_equal_factors_between_the_bounds():
    assert_close(LogUniform(1, low=0.01, high=100.0).grid(5), tensor([[0.01], [0.1], [1.0], [10.0], [100.0]]))


@pytest.mark.parametrize(("points", "levels"), [(4, 2), (8, 2), (9, 3), (21, 4)])
def test_a_grid_of_two_entries_combines_as_many_values_as_fit(points, levels):
    grid = LogUniform(2, low=0.1, high=10.0).grid(points)
    assert len(grid) == levels**2
    for column in grid.T:
        assert_close(column.unique(), torch.logspace(-1, 1, levels))


def test_where_the_bounds_do_not_fit_the_grid_is_the_geometric_middle():
    assert_close(LogUniform(2, low=0.1, high=40.0).grid(3), tensor([[2.0, 2.0]]))


@pytest.mark.parametrize(
    ("low", "high", "message"),
    [
        (1.0, 1.0, "needs low < high, got low=1, high=1."),
        (3.0, 0.5, "needs low < high, got low=3, high=0.5."),
        (1.0, float("inf"), r"low and high must be between 1e-12 and 1e\+12, got low=1, high=inf."),
        (1e-13, 1.0, "low and high must be between 1e-12"),
        (float("nan"), 1.0, "needs low < high, got low=nan"),
    ],
)
def test_bounds_that_cannot_be_are_refused(low, high, message):
    with pytest.raises(ConfigError, match=rf"^\[sampler\] 'log-uniform':? ?{message}"):
        LogUniform(2, low=low, high=high)
