"""The method `mo-dpo`: a dedicated model for each weighting, trained on one objective with margins from models of the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor

from moft import ConfigError
from moft.api import (
    Batch,
    Batches,
    DedicatedModels,
    Default,
    Factory,
    Loss,
    ModelSpec,
    NearestPolicy,
    Objective,
    ObjectiveLosses,
    Problem,
    Sampler,
    ScalarisedLosses,
    Trainer,
    WeightGrid,
    check_losses,
    minimise_at,
)


class MODPO:
    """First a dedicated model for each objective; then one for each weighting of a grid, with margins from those, frozen.

    The model for weights w is trained on the objective i with the largest weight, on the rewards
    `(beta_i (s - s0) - sum_{j != i} w_j beta_j (s_j - s0)) / w_i`, where s_j is the score of the model of objective j. Loss and
    gradient grow as 1 / w_i, which is at most the number of objectives for this i. The optimum is the geometric mixture of the
    objectives' label distributions; that of linear scalarisation is the arithmetic one. Their fronts differ.

    For weights between the points of the grid, the policy uses the model of the nearest point.

    Args:
        grid: sampler whose grid has the weightings.
        points: number of weightings, each of them a training job in addition to those of the objectives.
        loss: loss of the objectives that name none.

    Source: arXiv 2410.08316, equation 17, after Zhou et al. 2023, arXiv 2310.03708. The paper leaves i open; the largest weight
    is our choice, as is the selection of checkpoints on the validation split.
    """

    def __init__(
        self,
        *,
        grid: Annotated[Factory[Sampler], Default("dirichlet")],
        points: Annotated[int, Ge(1), Le(10_000)] = 11,
        loss: Annotated[Loss, Default("listnet")],
    ) -> None:
        self._grid, self._loss = WeightGrid(grid, points), loss

    def policy(self, problem: Problem) -> NearestPolicy:
        return self._grid.policy(problem)

    def check(self, objectives: Sequence[Objective], spec_of: Callable[[int], ModelSpec]) -> None:
        self._grid.weights(len(objectives))
        if ObjectiveLosses(objectives, self._loss).needs_scores:
            raise ConfigError(
                "[method] mo-dpo shifts rewards by a margin, so they give no final scores, which a loss here reads; use cos-dpo "
                "or dpo-ls, or another loss."
            )

    def check_labels(self, objectives: Sequence[Objective], batch: Batch) -> None:
        check_losses(objectives, self._loss, batch)

    def train(self, policy: NearestPolicy, problem: Problem, trainer: Trainer) -> None:
        task, grid = problem.task, policy.grid
        scalarised = ScalarisedLosses(problem, self._loss, trainer, grid.device)
        singles = DedicatedModels(policy.dedicated.models[0], grid.shape[1])
        vertices = torch.eye(grid.shape[1], device=grid.device)

        def at_vertices(corrections: Tensor, batch: Batch, chosen: Sequence[int]) -> Tensor:
            return scalarised(corrections, batch, vertices[list(chosen)])

        minimise_at("objectives", singles, vertices, problem, trainer, at_vertices)
        margins = _Margins(singles, task.batches("train"))

        def with_margins(corrections: Tensor, batch: Batch, chosen: Sequence[int]) -> Tensor:
            weights = grid[list(chosen)]  # [k, m]
            heaviest = vertices[weights.argmax(1)]  # [k, m]
            shifted = shifted_corrections(corrections, margins(batch), weights, heaviest, policy.betas)
            return scalarised(shifted, batch, heaviest)

        minimise_at("grid", policy.dedicated, grid, problem, trainer, with_margins)


def shifted_corrections(corrections: Tensor, margins: Tensor, weights: Tensor, heaviest: Tensor, betas: Tensor) -> Tensor:
    """`[k, batch, list]`, the rewards of equation 17 divided by beta_i.

    Args:
        corrections: `[k, batch, list]`, of the models that are trained.
        margins: `[batch, m, list]`, corrections of the single-objective models.
        weights: `[k, m]`.
        heaviest: `[k, m]`, one at objective i, zero elsewhere.
        betas: `[1, m]`.
    """
    others = weights * betas * (1 - heaviest)  # [k, m]
    margin = torch.einsum("km,bml->kbl", others, margins)
    beta, weight = ((heaviest * values).sum(1).view(-1, 1, 1) for values in (betas, weights))  # [k, 1, 1]
    return (corrections - margin / beta) / weight


class _Margins:
    """The corrections of the single-objective models on every list of a split, computed once, since the models are frozen.

    Args:
        singles: the models.
        batches: the split.
    """

    def __init__(self, singles: DedicatedModels, batches: Batches) -> None:
        parts = []
        singles.eval()  # without dropout
        with torch.no_grad():
            for batch in batches:
                corrections = torch.cat([singles.corrections(batch, (j,)) for j in range(len(singles))])  # [m, batch, list]
                parts.append((batch.lists, corrections.transpose(0, 1)))
        longest = max(values.shape[2] for _, values in parts)
        first = parts[0][1]
        self._values = first.new_zeros(batches.lists, first.shape[1], longest)  # [lists, m, longest]
        for lists, values in parts:
            self._values[lists, :, : values.shape[2]] = values

    def __call__(self, batch: Batch) -> Tensor:
        """`[batch, m, list]`."""
        return self._values[batch.lists, :, : batch.reference.shape[1]]
