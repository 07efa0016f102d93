"""A task of free scores: one number for every item of two lists, so that the optimum of every method is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from moft.api import (
    AccelerateTrainer,
    Batch,
    Batches,
    Injection,
    Inputs,
    Method,
    Model,
    ModelSpec,
    Nouns,
    Objective,
    Policy,
    Tradeoff,
    TrainerSettings,
    problem_without_validation,
)
from moft.config.build_component import resolve
from moft.engine.seed import seed_initialisation

LABELS = torch.tensor([[[2.0, 0.0, 1.0], [0.0, 1.0, 0.5], [1.0, 2.0, 0.0]], [[0.0, 1.5, 0.2], [1.0, 0.0, 0.3], [0.5, 0.7, 2.0]]])
REFERENCE = torch.tensor([[0.3, -0.2, 0.1], [0.0, 0.5, -0.5]])


class FreeModel(Model):
    """A correction of its own for every item, whatever is injected."""

    def __init__(self) -> None:
        super().__init__()
        self.scores = nn.Parameter(torch.zeros(REFERENCE.shape))
        self.spec = ModelSpec(tradeoff_size=2, hidden_size=1, is_correction=True)

    def forward(self, inputs: Inputs, injection: Injection) -> torch.Tensor:
        return self.scores[inputs["list"]]


class FreeTask:
    """Two lists of three items, every split the same; objectives with betas of their own."""

    main = None
    nouns = Nouns()

    def __init__(self, betas: list[float]) -> None:
        self.objectives = tuple(Objective(f"objective-{i + 1}", beta=t) for i, t in enumerate(betas))

    def model(self, tradeoff_size: int) -> FreeModel:
        return FreeModel()

    def batches(self, split: str, generator: torch.Generator | None = None) -> Batches:
        return Batches([torch.arange(2)], self._batch)

    def _batch(self, lists: torch.Tensor) -> Batch:
        labels = LABELS[lists][..., : len(self.objectives)]
        everything = torch.ones_like(labels, dtype=torch.bool)
        reference = REFERENCE[lists]
        items = torch.ones_like(reference, dtype=torch.bool)
        return Batch({"list": lists}, labels, everything, reference, items, torch.zeros_like(reference), lists)


@pytest.fixture
def optimum(plugins: Any) -> Callable[..., tuple[Policy, Callable[[list[float]], torch.Tensor]]]:
    """Trains a method on free scores to its optimum; gives the policy, and weights to corrections `[2, 3]` without their mean."""

    def found(method: Any, betas: list[float]) -> tuple[Policy, Callable[[list[float]], torch.Tensor]]:
        task = FreeTask(betas)
        made = resolve(Method, method, plugins).make()
        problem = problem_without_validation(task)
        seed_initialisation(0, "policy")
        policy = made.policy(problem)
        settings = TrainerSettings(
            epochs=250,
            learning_rate=0.1,
            weight_decay=0.0,
            evaluations=0,
            max_grad_norm=None,
            device="cpu",
            checkpoint_steps=10_000,
        )
        made.train(policy, problem, AccelerateTrainer(settings, seed=0))
        batch = task.batches("train").load(torch.arange(2))

        def correction(weights: list[float]) -> torch.Tensor:
            with torch.no_grad():
                found = policy.correction(batch, Tradeoff(torch.tensor([weights]), problem.betas))
            return found - found.mean(1, keepdim=True)

        return policy, correction

    return found


@pytest.fixture
def targets() -> torch.Tensor:
    """`[2, 3, 3]`, softmaxes of the labels, per list and objective."""
    return LABELS.softmax(1)
