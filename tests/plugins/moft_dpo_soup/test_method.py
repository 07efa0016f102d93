"""The soup: models of single objectives, averaged."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from moft import ConfigError
from moft.config.build_component import resolve
from moft.engine.fronts.measure_front import problem_without_validation
from moft.engine.policies.dedicated_models import SoupPolicy
from moft.engine.training.trainer import AccelerateTrainer
from moft.engine.training.trainer_settings import TrainerSettings
from moft.interfaces import Context, Method
from moft.testing.toy_task_and_policy import ToyTask


def centred(scores: torch.Tensor) -> torch.Tensor:
    return scores - scores.mean(1, keepdim=True)


def test_at_a_vertex_it_reaches_the_target_and_between_them_averages_parameters(optimum, targets):
    policy, correction = optimum("dpo-soup", [0.5, 0.5])
    assert isinstance(policy, SoupPolicy)
    logs = centred(targets[..., :2].log().flatten(1)).view(2, 3, 2)
    ends = [centred(logs[..., index] / 0.5) for index in range(2)]
    for index, weights in enumerate(([1.0, 0.0], [0.0, 1.0])):
        assert_close(correction(weights), ends[index], rtol=0, atol=2e-3)
    # free scores are their own parameters, so that averages of parameters are averages of scores
    assert_close(correction([0.3, 0.7]), 0.3 * ends[0] + 0.7 * ends[1], rtol=0, atol=2e-3)


def test_models_of_different_starts_are_refused(plugins):
    problem = problem_without_validation(ToyTask(Context(torch.device("cpu"), 0, None)))
    method = resolve(Method, "dpo-soup", plugins).make()
    policy = method.policy(problem)
    with torch.no_grad():
        policy.dedicated.models[1].input.weight.mul_(1.5)
    trainer = AccelerateTrainer(TrainerSettings(epochs=1, device="cpu"), seed=0)
    with pytest.raises(
        ConfigError, match=r"model 2 of 2 does not start from the same weights as model 1: 'input.weight' differs"
    ):
        method.train(policy, problem, trainer)
