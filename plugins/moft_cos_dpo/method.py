"""Weight-COS-DPO: one model for every weighting of the objectives, from one training run."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from torch import Tensor

from moft import ConfigError
from moft.api import (
    Batch,
    ConditionedPolicy,
    Conditioner,
    Count,
    Default,
    Factory,
    LabelStatistics,
    Loss,
    ObjectiveLosses,
    Problem,
    Sampler,
    Scalarizer,
    Tradeoff,
    Trainer,
    label_statistics,
)


class CosDPO:
    """Conditioned one-shot DPO: weights are drawn while training, and the model is told which.

    Args:
        sampler: of the weights.
        conditioner: how the model is told; null for a plain model, which goes with a `fixed` sampler only.
        loss: of the objectives that name none of their own.
        scalarizer: makes one number of the objectives' losses.
        balance: `gradient` divides each objective's loss by the size of its gradient at the reference, so that a weight means
            a share of the pull and objectives with flat labels are learned too; `none` leaves losses as in the paper.
        draws: weightings per list and step; more lower the variance and cost proportionally more.
        share_draws: True draws one weighting for all lists of a batch, as in the paper; False one for each list.

    Source: arXiv 2410.08316, equation 12. Balance and a draw per list are ours.
    """

    def __init__(
        self,
        *,
        sampler: Annotated[Factory[Sampler], Default("dirichlet", {"vertices": 0.3})],
        conditioner: Annotated[Factory[Conditioner] | None, Default("film")],
        loss: Annotated[Loss, Default("listnet")],
        scalarizer: Annotated[Scalarizer, Default("linear")],
        balance: Literal["gradient", "none"] = "gradient",
        draws: Count = 1,
        share_draws: bool = False,
    ) -> None:
        self._sampler, self._conditioner, self._loss, self._scalarizer = sampler, conditioner, loss, scalarizer
        self._balance, self._draws, self._share_draws = balance, draws, share_draws

    def policy(self, problem: Problem) -> ConditionedPolicy:
        m = len(problem.task.objectives)
        sampler = self._sampler(m)  # a sampler that does not fit the objectives is told before anything is trained
        model = problem.task.model(m)
        device = next(model.parameters()).device
        if self._conditioner is None:
            if len(sampler.grid(m + 1)) > 1:
                raise ConfigError(
                    "[method.conditioner] null cannot follow weights that vary; use sampler: fixed, or a conditioner."
                )
            return ConditionedPolicy(model, None, problem.temperatures.to(device))
        return ConditionedPolicy(model, self._conditioner(model.spec).to(device), problem.temperatures.to(device))

    def train(self, policy: ConditionedPolicy, problem: Problem, trainer: Trainer) -> None:
        task, temperatures = problem.task, problem.temperatures
        sampler = self._sampler(len(task.objectives))
        losses = ObjectiveLosses(task.objectives, self._loss)
        statistics = label_statistics(losses, task.batches("train"), temperatures)
        _note_unlabelled(statistics, problem, trainer)
        scale = loss_scale(statistics, is_balanced=self._balance == "gradient").to(policy.temperatures.device)

        def loss_of(batch: Batch) -> Tensor:
            weights = trainer.draw(sampler, self._draws, shared=self._share_draws)  # [batch, draws, m]
            rows = torch.arange(len(batch), device=weights.device).repeat_interleave(self._draws)
            drawn = batch.select(rows) if self._draws > 1 else batch
            flat = weights.flatten(0, 1)  # [batch * draws, m]
            correction = policy.correction(drawn, Tradeoff(flat, policy.temperatures))
            scaled = losses(correction, drawn, policy.temperatures) * scale  # [batch * draws, m]
            return self._scalarizer(scaled, flat).view(weights.shape[:2]).mean(dim=1)  # [batch]

        trainer.minimise(
            "policy",
            policy,
            lambda generator: task.batches("train", generator),
            loss_of,
            evaluate=lambda: problem.validate(policy),
            best="hypervolume",
        )


def loss_scale(statistics: LabelStatistics, *, is_balanced: bool) -> Tensor:
    """`[m]`, what each objective's loss is multiplied by.

    Args:
        statistics: of the training labels.
        is_balanced: True divides by the gradient's size too, relative to the geometric mean over objectives.

    Returns: at least the inverse of the share of lists that are labelled, so that a mean is over those lists only.
    """
    scale = 1 / statistics.share.clamp(min=1 / statistics.lists)
    if is_balanced:
        gradient = statistics.gradient.clamp(min=1e-12)
        scale = scale * gradient.log().mean().exp() / gradient
    return scale.float()


def _note_unlabelled(statistics: LabelStatistics, problem: Problem, trainer: Trainer) -> None:
    for objective, labelled in zip(problem.task.objectives, statistics.labelled.tolist(), strict=True):
        if labelled < statistics.lists:
            trainer.note(
                f"{objective.name}: {statistics.lists - int(labelled)} of {statistics.lists} training lists say nothing of it "
                "and are left out of its mean."
            )
