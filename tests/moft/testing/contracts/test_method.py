"""The contract of methods finds what it promises to find."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from moft.api import ConditionedPolicy, Tradeoff
from moft.testing import check_method


class Good:
    """Trains a plain model for equal weights."""

    job = "policy"

    def policy(self, problem):
        return ConditionedPolicy(problem.task.model(2), None, problem.betas)

    def train(self, policy, problem, trainer):
        weights = torch.full_like(policy.betas, 0.5)

        def loss_of(batch):
            correction = policy.correction(batch, Tradeoff(weights, policy.betas))
            return ((correction - batch.labels.mean(-1)).square() * batch.items).mean(-1)

        trainer.minimise(self.job, policy, lambda generator: problem.task.batches("train", generator), loss_of)


class Idle(Good):
    def train(self, policy, problem, trainer):
        return None


class Apart(Good):
    def train(self, policy, problem, trainer):
        nn.init.ones_(policy.model.output.weight)


class Restless(Good):
    times = 0

    def train(self, policy, problem, trainer):
        self.times += 1
        self.job = "policy" if self.times < 3 else "again"
        super().train(policy, problem, trainer)


class Random(Good):
    def train(self, policy, problem, trainer):
        super().train(policy, problem, trainer)
        with torch.no_grad():
            policy.model.output.bias.fill_(float(torch.randn(1, generator=self.draws)))

    draws = torch.Generator().manual_seed(0)


class Growing(Good):
    sizes = 0

    def policy(self, problem):
        self.sizes += 1
        policy = super().policy(problem)
        policy.model.output.bias.data.fill_(self.sizes)
        return policy


@pytest.mark.slow
def test_a_sound_method_passes():
    check_method(Good())


@pytest.mark.parametrize(
    ("method", "rule"),
    [
        (Idle, "training changes the policy in place; got: no parameter has changed; input: train, 2 epochs"),
        (Apart, "training is done in jobs of the trainer; got: no job ended; input: train, 2 epochs"),
        (Restless, "a job that had finished is not trained again; got: .* more steps; input: train, resumed at its end"),
        (Random, "the same policy for the same seed; got: .*; input: model.output.bias, train, twice"),
        (Growing, "the same policy for the same seed; got: .*; input: .*, twice"),
    ],
)
def test_a_method_that_breaks_a_rule_is_told_which(method, rule):
    with pytest.raises(AssertionError, match=f"expected: {rule}"):
        check_method(method())
