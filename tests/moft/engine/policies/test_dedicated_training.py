"""A grid of weightings gives an untrained dedicated model for each of them."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch.testing import assert_close

from moft import PluginError
from moft.engine.fronts.measure_front import problem_without_validation
from moft.engine.policies.dedicated_training import WeightGrid
from moft.interfaces import Context
from moft.testing.toy_task_and_policy import ToyTask
from moft_samplers.das_dennis import DasDennis


def test_the_policy_has_a_model_for_each_weighting_from_one_start():
    problem = problem_without_validation(ToyTask(Context(torch.device("cpu"), 0, None), lists=8))
    grid = WeightGrid(partial(DasDennis, partitions=2), 3)
    policy = grid.policy(problem)
    m = len(problem.task.objectives)
    assert_close(policy.grid, grid.weights(m))
    assert_close(grid.weights(2), torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]))
    assert len(policy.dedicated) == len(policy.grid)
    policy.dedicated.check_one_start()


def test_a_sampler_that_fails_is_blamed():
    with pytest.raises(PluginError, match="failed on grid"):
        WeightGrid(lambda size: object(), 3).weights(2)  # type: ignore[arg-type, return-value]
