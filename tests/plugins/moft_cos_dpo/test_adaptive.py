"""Weight-COS-DPO with an adaptive sampler: it is told what the policy reaches, and only where that can be."""

from __future__ import annotations

import pytest
import torch

from moft import ConfigError
from moft.api import AccelerateTrainer, Method, TrainerSettings, seed_initialisation
from moft.config.build_component import resolve
from moft.interfaces import Problem
from moft.testing import toy_task

ADAPTIVE = {"name": "adaptive", "base": {"name": "dirichlet"}, "watched": 3}


def test_the_values_at_the_watched_weights_and_the_objectives_temperatures_are_measured(plugins):
    task, asked = toy_task(), []

    def measure(policy, tradeoff):
        asked.append(tradeoff)
        return tradeoff.weights.clone()

    problem = Problem(task, lambda policy: {"hypervolume": 0.0}, measure)
    method = resolve(Method, {"name": "cos-dpo", "sampler": ADAPTIVE}, plugins).make()
    seed_initialisation(0, "policy")
    policy = method.policy(problem)
    trainer = AccelerateTrainer(TrainerSettings(epochs=2, evaluations=2, device="cpu"), seed=0)
    method.train(policy, problem, trainer)
    assert len(asked) == 2
    assert asked[0].weights.equal(torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]))
    assert asked[0].betas.equal(problem.betas)


def test_temperatures_cannot_be_drawn_adaptively(plugins):
    method = resolve(Method, {"name": "cos-dpo", "betas": ADAPTIVE}, plugins).make()
    problem = Problem(toy_task(), lambda policy: {}, lambda policy, tradeoff: tradeoff.weights)
    with pytest.raises(ConfigError, match=r"\[method\.betas\] cannot be an adaptive sampler: only method\.sampler receives "):
        method.policy(problem)
