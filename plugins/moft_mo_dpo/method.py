"""MO-DPO: a model for each weighting, trained on one objective with margins from models of the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

import torch
from torch import Tensor

from moft.api import (
    Batch,
    Batches,
    Count,
    DedicatedModels,
    Default,
    Factory,
    Loss,
    ModelSpec,
    NearestPolicy,
    Objective,
    Problem,
    Sampler,
    ScalarisedLosses,
    Trainer,
    grid_of,
    minimise_at,
)


class MODPO:
    """First a plain model for each objective alone; then one for each weighting of a grid, with those as frozen margins.

    The model for weights w is trained on its heaviest objective i alone, on the rewards
    `(beta_i (s - s0) - sum_{j != i} w_j beta_j (s_j - s0)) / w_i`, where s_j is the model of objective j. Loss and gradient grow
    as 1 / w_i, which the choice of i keeps at or below the number of objectives. Its optimum mixes the objectives' label
    distributions geometrically, that of linear scalarisation arithmetically: their fronts differ.

    Between the points of the grid the nearest one's model answers.

    Args:
        grid: whose grid the weights are taken from.
        points: weights of the grid, each of them a training job beside those of the objectives.
        loss: of the objectives that name none of their own.

    Source: arXiv 2410.08316, equation 17, after Zhou et al. 2023, arXiv 2310.03708. The paper leaves i open; the heaviest is
    ours, as is the choice of the best weights on the validation split.
    """

    def __init__(
        self,
        *,
        grid: Annotated[Factory[Sampler], Default("dirichlet")],
        points: Count = 11,
        loss: Annotated[Loss, Default("listnet")],
    ) -> None:
        self._grid, self._points, self._loss = grid, points, loss

    def policy(self, problem: Problem) -> NearestPolicy:
        m = len(problem.task.objectives)
        grid = grid_of(self._grid(m), self._points, m)
        model = problem.task.model(m)
        device = next(model.parameters()).device
        return NearestPolicy(DedicatedModels(model, len(grid)), grid, problem.betas).to(device)

    def check(self, objectives: Sequence[Objective], spec_of: Callable[[int], ModelSpec]) -> None:
        grid_of(self._grid(len(objectives)), self._points, len(objectives))

    def train(self, policy: NearestPolicy, problem: Problem, trainer: Trainer) -> None:
        task, grid = problem.task, policy.grid
        scalarised = ScalarisedLosses(problem, self._loss, trainer, grid.device)
        singles = DedicatedModels(policy.dedicated.models[0], grid.shape[1])
        vertices = torch.eye(grid.shape[1], device=grid.device)

        def alone(corrections: Tensor, batch: Batch, chosen: Sequence[int]) -> Tensor:
            return scalarised(corrections, batch, vertices[list(chosen)])

        minimise_at("objectives", singles, vertices, problem, trainer, alone)
        margins = _Margins(singles, task.batches("train"))

        def with_margins(corrections: Tensor, batch: Batch, chosen: Sequence[int]) -> Tensor:
            weights = grid[list(chosen)]  # [k, m]
            heaviest = vertices[weights.argmax(1)]  # [k, m]
            shifted = shifted_corrections(corrections, margins(batch), weights, heaviest, policy.betas)
            return scalarised(shifted, batch, heaviest)

        minimise_at("grid", policy.dedicated, grid, problem, trainer, with_margins)


def shifted_corrections(corrections: Tensor, margins: Tensor, weights: Tensor, heaviest: Tensor, betas: Tensor) -> Tensor:
    """`[k, batch, list]`: times beta_i, they are the rewards of equation 17.

    Args:
        corrections: `[k, batch, list]`, of the models that are trained.
        margins: `[batch, m, list]`, corrections of the single-objective models.
        weights: `[k, m]`.
        heaviest: `[k, m]`, one at objective i, zero elsewhere.
        betas: `[1, m]`.
    """
    others = weights * betas * (1 - heaviest)  # [k, m]
    taken = torch.einsum("km,bml->kbl", others, margins)
    beta, weight = ((heaviest * each).sum(1).view(-1, 1, 1) for each in (betas, weights))  # [k, 1, 1]
    return (corrections - taken / beta) / weight


class _Margins:
    """What the single-objective models add to the reference, of every list of a split: computed once, since they are frozen.

    Args:
        singles: the models.
        batches: the split.
    """

    def __init__(self, singles: DedicatedModels, batches: Batches) -> None:
        found = []
        singles.eval()  # without dropout
        with torch.no_grad():
            for batch in batches:
                found.append(
                    (batch.lists, torch.cat([singles.corrections(batch, (j,)) for j in range(len(singles))]).transpose(0, 1))
                )
        longest = max(values.shape[2] for _, values in found)
        first = found[0][1]
        self._values = first.new_zeros(batches.lists, first.shape[1], longest)  # [lists, m, longest]
        for lists, values in found:
            self._values[lists, :, : values.shape[2]] = values

    def __call__(self, batch: Batch) -> Tensor:
        """`[batch, m, list]`."""
        return self._values[batch.lists, :, : batch.reference.shape[1]]
