"""The method `dpo-soup`: a dedicated model for each objective, whose parameters are averaged with the objective weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor

from moft.api import (
    Batch,
    DedicatedModels,
    Default,
    Loss,
    Objective,
    Problem,
    ScalarisedLosses,
    SoupPolicy,
    Trainer,
    check_losses,
    minimise_at,
)


class DPOSoup:
    """A dedicated model for each objective alone; for other weights, a model whose parameters are their weighted averages.

    Args:
        loss: loss of the objectives that name none.

    Raises:
        ConfigError: in training, if the models do not start from one initialisation.

    Source: arXiv 2410.08316, appendix A.1, after Rame et al. 2023 (rewarded soups), arXiv 2306.04488. The selection of
    checkpoints on the validation split is ours.
    """

    def __init__(self, *, loss: Annotated[Loss, Default("listnet")]) -> None:
        self._loss = loss

    def policy(self, problem: Problem) -> SoupPolicy:
        m = len(problem.task.objectives)
        model = problem.task.model(m)
        device = next(model.parameters()).device
        return SoupPolicy(DedicatedModels(model, m), problem.betas).to(device)

    def check_labels(self, objectives: Sequence[Objective], batch: Batch) -> None:
        check_losses(objectives, self._loss, batch)

    def train(self, policy: SoupPolicy, problem: Problem, trainer: Trainer) -> None:
        policy.dedicated.check_one_start()
        device = policy.betas.device
        scalarised = ScalarisedLosses(problem, self._loss, trainer, device)
        vertices = torch.eye(len(problem.task.objectives), device=device)

        def losses_of(corrections: Tensor, batch: Batch, chosen: Sequence[int]) -> Tensor:
            return scalarised(corrections, batch, vertices[list(chosen)])

        minimise_at("objectives", policy.dedicated, vertices, problem, trainer, losses_of)
