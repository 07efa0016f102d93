"""What methods with dedicated models share: the grid of weightings, the losses, and the jobs that train the models together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from moft.engine.checks.sampler_draws import checked_grid
from moft.engine.losses.loss_balance import loss_scale, note_unlabelled
from moft.engine.losses.objective_losses import ObjectiveLosses, label_statistics
from moft.engine.policies.dedicated_models import DedicatedModels, NearestPolicy
from moft.interfaces import Loss, Problem, Sampler, Scalarizer, Trainer
from moft.setting_types import Factory
from moft.types import Batch, Tradeoff


@dataclass(frozen=True)
class WeightGrid:
    """The weightings that dedicated models are trained for.

    Args:
        sampler: whose grid the weightings are taken from.
        points: number of weightings.
    """

    sampler: Factory[Sampler]
    points: int

    def weights(self, m: int) -> Tensor:
        """`[n, m]`, the weightings of m objectives.

        Raises:
            MoftError: the sampler cannot make such a grid.
        """
        return checked_grid(self.sampler(m), self.points, m)

    def policy(self, problem: Problem) -> NearestPolicy:
        """An untrained model for each weighting, on the device of the task's model."""
        m = len(problem.task.objectives)
        weights, model = self.weights(m), problem.task.model(m)
        device = next(model.parameters()).device
        return NearestPolicy(DedicatedModels(model, len(weights)), weights, problem.betas).to(device)


class ScalarisedLosses:
    """Scalarised losses of dedicated models, each for its own weights, from their corrections.

    Args:
        problem: whose training labels give the scale of each objective's loss.
        loss: of the objectives that name none of their own.
        trainer: keeps notes on lists without labels for an objective.
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
        statistics = label_statistics(self._losses, task.batches("train"), problem.betas)
        note_unlabelled(statistics, task.objectives, trainer, task.nouns)
        self._scale = loss_scale(statistics, is_balanced=is_balanced).to(device)
        self._betas = problem.betas.to(device)

    def __call__(self, corrections: Tensor, batch: Batch, weights: Tensor) -> Tensor:
        """`[k, batch]`, the scalarised loss of every model on every list.

        Args:
            corrections: `[k, batch, list]`.
            batch: the lists.
            weights: `[k, m]`, of the models.
        """
        costs = self._losses(corrections, batch, self._betas) * self._scale  # [k, batch, m]
        rows = weights.to(costs).unsqueeze(1).expand(costs.shape)
        return self._scalarizer(costs.flatten(0, 1), rows.flatten(0, 1)).view(costs.shape[:2])


def minimise_at(
    job: str,
    dedicated: DedicatedModels,
    weights: Tensor,
    problem: Problem,
    trainer: Trainer,
    losses_of: Callable[[Tensor, Batch, Sequence[int]], Tensor],
) -> None:
    """Trains each model for weights of its own, and keeps it where the weighted sum of its validation values is best.

    Args:
        job: name of the jobs.
        dedicated: the models.
        weights: `[n, m]`, of each model, on the models' device.
        problem: lists, and validation.
        trainer: of the run.
        losses_of: corrections of k models `[k, batch, list]`, their lists and their indices to `[k, batch]`.
    """
    names = [objective.name for objective in problem.task.objectives]
    policy = NearestPolicy(dedicated, weights, problem.betas).to(weights.device)

    def evaluate(chosen: Sequence[int]) -> list[Mapping[str, float]]:
        own = weights[list(chosen)]  # [k, m]
        points = problem.measure(policy, Tradeoff(own, problem.betas.to(own))).to(own)  # [k, m]
        rows = zip((points * own).sum(-1).tolist(), points.tolist(), strict=True)
        return [{"weighted": value, **dict(zip(names, each, strict=True))} for value, each in rows]

    trainer.minimise_each(
        job,
        dedicated.models,
        lambda generator: problem.task.batches("train", generator),
        lambda batch, chosen: losses_of(dedicated.corrections(batch, chosen), batch, chosen),
        evaluate=evaluate,
        best="weighted",
    )


def _weighted_sum(losses: Tensor, weights: Tensor) -> Tensor:
    return (losses * weights).sum(-1)
