"""Samples of lists: of any size, and the same for the same seed."""

from __future__ import annotations

import pytest
import torch

from moft.engine.fronts.bootstrap import resampled


@pytest.mark.parametrize("draws", [None, 1, 7, 100_000, 100_001, 10_000_000])
def test_every_sample_has_as_many_draws_as_asked(draws):
    counts = resampled(9, 20, 3, draws)
    assert (counts.dtype, counts.shape) == (torch.float32, (20, 9))
    assert (counts.sum(1) == (9 if draws is None else draws)).all()
    assert counts.equal(resampled(9, 20, 3, draws))
    assert draws == 1 or not counts.equal(resampled(9, 20, 4, draws))


@pytest.mark.parametrize("draws", [100_000, 100_001])
def test_lists_are_drawn_evenly_however_they_are_drawn(draws):
    share = resampled(4, 50, 0, draws).double() / draws
    torch.testing.assert_close(share.mean(0), torch.full((4,), 0.25, dtype=torch.float64), atol=1e-3, rtol=0)
    torch.testing.assert_close(share.std(0), torch.full((4,), (0.25 * 0.75 / draws) ** 0.5).double(), rtol=0.4, atol=0)
