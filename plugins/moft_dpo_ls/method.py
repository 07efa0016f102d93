"""DPO-LS: linear scalarisation, a model of its own for each weighting of a grid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Literal

from torch import Tensor

from moft.api import (
    Batch,
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
    Scalarizer,
    Trainer,
    check_scalarizer,
    grid_of,
    minimise_at,
)


class DPOLS:
    """Linear scalarisation: for each weighting of a grid, a plain model on the weighted sum of the losses.

    Between the points of the grid the nearest one's model answers. All models start from one initialisation and see the same
    batches, so that points differ by their weights alone.

    Args:
        grid: whose grid the weights are taken from.
        points: weights of the grid, each of them a training job.
        loss: of the objectives that name none of their own.
        scalarizer: makes one number of the objectives' losses; `linear` is the published method.
        balance: `gradient` divides each objective's loss by the size of its gradient at the reference; `none` does not.

    Source: arXiv 2410.08316, appendix A.1. Balance, and the choice of the best weights on the validation split, are ours.
    """

    def __init__(
        self,
        *,
        grid: Annotated[Factory[Sampler], Default("dirichlet")],
        points: Count = 11,
        loss: Annotated[Loss, Default("listnet")],
        scalarizer: Annotated[Scalarizer, Default("linear")],
        balance: Literal["gradient", "none"] = "gradient",
    ) -> None:
        self._grid, self._points = grid, points
        self._loss, self._scalarizer, self._balance = loss, scalarizer, balance

    def policy(self, problem: Problem) -> NearestPolicy:
        m = len(problem.task.objectives)
        grid = self._asked(m)
        model = problem.task.model(m)
        device = next(model.parameters()).device
        return NearestPolicy(DedicatedModels(model, len(grid)), grid, problem.betas).to(device)

    def check(self, objectives: Sequence[Objective], spec_of: Callable[[int], ModelSpec]) -> None:
        self._asked(len(objectives))

    def _asked(self, m: int) -> Tensor:
        """`[n, m]`, the weights of the models, for losses that the scalarizer takes."""
        check_scalarizer(self._scalarizer, m)
        return grid_of(self._grid(m), self._points, m)

    def train(self, policy: NearestPolicy, problem: Problem, trainer: Trainer) -> None:
        scalarised = ScalarisedLosses(
            problem,
            self._loss,
            trainer,
            policy.grid.device,
            scalarizer=self._scalarizer,
            is_balanced=self._balance == "gradient",
        )

        def losses_of(corrections: Tensor, batch: Batch, chosen: Sequence[int]) -> Tensor:
            return scalarised(corrections, batch, policy.grid[list(chosen)])

        minimise_at("grid", policy.dedicated, policy.grid, problem, trainer, losses_of)
