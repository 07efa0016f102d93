"""The method `dpo-ls`: a dedicated model for each weighting of a grid, trained on the weighted sum of the losses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Literal

from annotated_types import Ge, Le
from torch import Tensor

from moft.api import (
    Batch,
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
    WeightGrid,
    check_losses,
    check_scalarizer,
    minimise_at,
)


class DPOLS:
    """Linear scalarisation: for each weighting of a grid, a dedicated model trained on the weighted sum of the losses.

    For weights between the points of the grid, the policy uses the model of the nearest point. All models start from one
    initialisation and see the same batches, so that they differ by their weights only.

    Args:
        grid: sampler whose grid has the weightings.
        points: number of weightings, each of them a training job.
        loss: loss of the objectives that name none.
        scalarizer: makes one number of the objectives' losses; `linear` is the published method.
        balance: `gradient` divides each objective's loss by the size of its gradient at the reference; `none` does not.

    Source: arXiv 2410.08316, appendix A.1. Balance, and the selection of checkpoints on the validation split, are ours.
    """

    def __init__(
        self,
        *,
        grid: Annotated[Factory[Sampler], Default("dirichlet")],
        points: Annotated[int, Ge(1), Le(10_000)] = 11,
        loss: Annotated[Loss, Default("listnet")],
        scalarizer: Annotated[Scalarizer, Default("linear")],
        balance: Literal["gradient", "none"] = "gradient",
    ) -> None:
        self._grid, self._loss, self._scalarizer, self._balance = WeightGrid(grid, points), loss, scalarizer, balance

    def policy(self, problem: Problem) -> NearestPolicy:
        check_scalarizer(self._scalarizer, len(problem.task.objectives))
        return self._grid.policy(problem)

    def check(self, objectives: Sequence[Objective], spec_of: Callable[[int], ModelSpec]) -> None:
        check_scalarizer(self._scalarizer, len(objectives))
        self._grid.weights(len(objectives))

    def check_labels(self, objectives: Sequence[Objective], batch: Batch) -> None:
        check_losses(objectives, self._loss, batch)

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
