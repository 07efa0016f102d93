"""What methods with a model for each weighting share: their losses, and their values during training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from moft.engine.balance import loss_scale, note_unlabelled
from moft.engine.objectives import ObjectiveLosses, label_statistics
from moft.engine.plain import NearestPolicy, PlainModels
from moft.interfaces import Loss, Problem, Scalarizer, Trainer
from moft.types import Batch, Tradeoff


class ScalarisedLosses:
    """The losses of models that are trained for weights of their own, from their corrections.

    Args:
        problem: whose training labels give the scale of each objective's loss.
        loss: of the objectives that name none of their own.
        trainer: told of lists that say nothing of an objective.
        device: of the models.
        scalarizer: makes one number of the objectives' losses; None is their weighted sum.
        is_balanced: True divides each objective's loss by the size of its gradient at the reference.
    """

    def __init__(
        self,
        problem: Problem,
        loss: Loss,
        trainer: Trainer,
        device: torch.device,
        *,
        scalarizer: Scalarizer | None = None,
        is_balanced: bool = False,
    ) -> None:
        task = problem.task
        self._losses, self._scalarizer = ObjectiveLosses(task.objectives, loss), scalarizer or _weighted_sum
        statistics = label_statistics(self._losses, task.batches("train"), problem.temperatures)
        note_unlabelled(statistics, task.objectives, trainer)
        self._scale = loss_scale(statistics, is_balanced=is_balanced).to(device)
        self._temperatures = problem.temperatures.to(device)

    def __call__(self, corrections: Tensor, batch: Batch, weights: Tensor) -> Tensor:
        """`[k, batch]`, the scalarised loss of every model on every list.

        Args:
            corrections: `[k, batch, list]`.
            batch: the lists.
            weights: `[k, m]`, of the models.
        """
        costs = self._losses(corrections, batch, self._temperatures) * self._scale  # [k, batch, m]
        rows = weights.to(costs).unsqueeze(1).expand(costs.shape)
        return self._scalarizer(costs.flatten(0, 1), rows.flatten(0, 1)).view(costs.shape[:2])


def values_at(problem: Problem, plain: PlainModels, weights: Tensor) -> Callable[[Sequence[int]], list[Mapping[str, float]]]:
    """What `Trainer.minimise_each` can evaluate by: the values of models at the weights that they are trained for.

    Args:
        problem: measures.
        plain: the models.
        weights: `[n, m]`, of each model.

    Returns: indices of models to, for each, its objectives' values on the validation split and their weighted sum, `weighted`.
    """
    names = [objective.name for objective in problem.task.objectives]

    def evaluate(chosen: Sequence[int]) -> list[Mapping[str, float]]:
        policy = NearestPolicy(plain, weights, problem.temperatures)
        asked = weights[list(chosen)]
        points = problem.measure(policy, Tradeoff(asked, problem.temperatures))  # [k, m]
        sums = (points.to(asked.device) * asked).sum(-1)
        rows = zip(sums.tolist(), points.tolist(), strict=True)
        return [{"weighted": value, **dict(zip(names, each, strict=True))} for value, each in rows]

    return evaluate


def _weighted_sum(losses: Tensor, weights: Tensor) -> Tensor:
    return (losses * weights).sum(-1)
