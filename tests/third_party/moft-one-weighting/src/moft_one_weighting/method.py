"""A plain model for one weighting."""

from typing import Annotated

import torch

from moft import ConfigError
from moft.api import ConditionedPolicy, Default, Loss, NonNegative, ObjectiveLosses, Tradeoff


class OneWeighting:
    """A plain model for one weighting, which answers every other one too.

    Args:
        weights: one for each objective; they are scaled to sum to one.
        loss: of the objectives that name none of their own.
    """

    def __init__(self, *, weights: list[NonNegative], loss: Annotated[Loss, Default("listnet")]):
        self._weights, self._loss = weights, loss

    def policy(self, problem):
        m = len(problem.task.objectives)
        if len(self._weights) != m or not any(self._weights):
            raise ConfigError(f"[method.weights] {self._weights}: {m} weights are needed, not all zero.")
        return ConditionedPolicy(problem.task.model(m), None, problem.betas)

    def train(self, policy, problem, trainer):
        task, losses = problem.task, ObjectiveLosses(problem.task.objectives, self._loss)
        weights = torch.tensor([self._weights]).to(policy.betas) / sum(self._weights)

        def loss_of(batch):
            correction = policy.correction(batch, Tradeoff(weights, policy.betas))
            return (losses(correction, batch, policy.betas) * weights).sum(-1)

        settings = {"evaluate": lambda: problem.validate(policy), "best": "hypervolume"}
        trainer.minimise("policy", policy, lambda generator: task.batches("train", generator), loss_of, **settings)
