"""Weight-COS-DPO and Temperature-COS-DPO: one model for every weighting of the objectives, from one training run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Literal

import torch
from torch import Tensor

from moft.api import (
    AdaptiveSampler,
    Batch,
    ConditionedPolicy,
    Conditioner,
    Default,
    Draws,
    Factory,
    Feedback,
    FromList,
    Loss,
    ModelSpec,
    Objective,
    ObjectiveLosses,
    Problem,
    Sampler,
    Scalarizer,
    TemperaturePolicy,
    Tradeoff,
    Trainer,
    check_losses,
    check_scalarizer,
    checked_betas,
    label_statistics,
    loss_scale,
    note_unlabelled,
)
from moft_cos_dpo.beta_draws import betas_of_steps
from moft_cos_dpo.setting_checks import check_conditioner

_ONE_BY_ONE = (
    "The conditioner serves one tradeoff at a time, so each step ran the model once for every tradeoff in the batch. With "
    "method.share_draws: true a step has one tradeoff."
)


class CosDPO:
    """COS-DPO (conditioned one-shot DPO): trains one model, conditioned on objective weights that are drawn in training.

    Args:
        sampler: of the weights.
        conditioner: feeds the weights into the model. A list of conditioners is mixed. Null trains an unconditioned model, which
            needs a `fixed` sampler.
        loss: of the objectives that name none of their own.
        scalarizer: makes one number of the objectives' losses.
        betas: sampler of betas. The model is then also conditioned on betas, so that the policy serves them in any ratio. Only
            ratios count: draws are divided by their sum, and a share below 0.01 counts as 0.01. Null trains at the
            objectives' own betas. A sampler that always gives the same values has to give a multiple of these, and trains
            at it.
        balance: `gradient` divides each objective's loss by the norm of its gradient at the reference, so that a weight is the
            objective's share of the gradient when training starts, whatever its labels and beta; `none` leaves the losses as
            in the paper.
        draws: tradeoffs drawn for each list and step. More of them lower the variance of the gradient; the cost of a step grows
            in proportion.
        share_draws: True draws one tradeoff for all lists of a batch, as in the paper; False one for each list.

    Source: arXiv 2410.08316, equation 12, and with betas that vary equation 16. Balance and a draw per list are ours.
    """

    def __init__(
        self,
        *,
        sampler: Annotated[Factory[Sampler], Default("dirichlet", {"vertices": 0.3})],
        conditioner: Annotated[Factory[Conditioner] | None, Default("film"), FromList("mix", "parts")],
        loss: Annotated[Loss, Default("listnet")],
        scalarizer: Annotated[Scalarizer, Default("linear")],
        betas: Factory[Sampler] | None = None,
        balance: Literal["gradient", "none"] = "gradient",
        draws: Draws = 1,
        share_draws: bool = False,
    ) -> None:
        self._sampler, self._conditioner, self._loss, self._scalarizer = sampler, conditioner, loss, scalarizer
        self._betas, self._is_balanced = betas, balance == "gradient"
        self._draws, self._share_draws = draws, share_draws

    def policy(self, problem: Problem) -> ConditionedPolicy | TemperaturePolicy:
        """The untrained policy: for betas that vary, a `TemperaturePolicy`; for fixed ones, a `ConditionedPolicy`."""
        size, betas = self._vector_size_and_betas(problem.task.objectives)
        model = problem.task.model(size)
        device = next(model.parameters()).device
        conditioner = None if self._conditioner is None else self._conditioner(model.spec).to(device)
        if size > len(problem.task.objectives) and conditioner is not None:
            return TemperaturePolicy(model, conditioner)
        return ConditionedPolicy(model, conditioner, betas[:1].to(device))

    def check(self, objectives: Sequence[Objective], spec_of: Callable[[int], ModelSpec]) -> None:
        size, _ = self._vector_size_and_betas(objectives)
        if self._conditioner is not None:
            check_conditioner(self._conditioner, spec_of(size))

    def check_labels(self, objectives: Sequence[Objective], batch: Batch) -> None:
        check_losses(objectives, self._loss, batch)

    def is_adaptive(self, m: int) -> bool:
        return isinstance(self._sampler(m), AdaptiveSampler)

    def train(self, policy: ConditionedPolicy | TemperaturePolicy, problem: Problem, trainer: Trainer) -> None:
        task, m = problem.task, len(problem.task.objectives)
        sampler = self._sampler(m)
        beta_sampler = None if self._betas is None else self._betas(m)
        betas_of_step = betas_of_steps(policy, beta_sampler, trainer, self._draws, shared=self._share_draws)
        if policy.conditioner is not None and not policy.conditioner.per_row:
            trainer.note(_ONE_BY_ONE)

        # How much each objective's loss counts follows from the training labels, before any model is run.
        losses = ObjectiveLosses(task.objectives, self._loss)
        betas_vary = isinstance(policy, TemperaturePolicy)
        trained_at = torch.ones(1, m) if betas_vary else betas_of_step().cpu()
        statistics = label_statistics(losses, task.batches("train"), trained_at)
        note_unlabelled(statistics, task.objectives, trainer, task.nouns)
        scale = loss_scale(statistics, is_balanced=self._is_balanced).to(next(policy.parameters()).device)

        def loss_of(batch: Batch) -> Tensor:
            """`[batch]`: draws weights for this step, and scalarises the losses of all objectives with them."""
            drawn = trainer.draw(sampler, self._draws, shared=self._share_draws)  # [batch, draws, m]
            weights, betas = drawn.flatten(0, 1), betas_of_step()  # [batch * draws, m], and the same or [1, m]
            if self._draws > 1:
                batch = batch.select(torch.arange(len(batch), device=weights.device).repeat_interleave(self._draws))
            correction = policy.correction(batch, Tradeoff(weights, betas))  # [batch * draws, list]
            magnitude = policy.magnitude(Tradeoff(weights, betas)) if losses.needs_scores else None
            scaled = losses(correction, batch, betas, magnitude) * scale  # [batch * draws, m]
            if self._is_balanced and betas_vary:
                # At the reference, a loss's gradient is proportional to its beta, and `scale` was computed at equal betas. The
                # geometric mean keeps the product of all factors at 1, so that only their ratios change, as in `scale`.
                scaled = scaled * betas.log().mean(-1, keepdim=True).exp() / betas
            return self._scalarizer(scaled, weights).view(drawn.shape[:2]).mean(dim=1)

        def values_at(weights: Tensor) -> Tensor:
            return problem.measure(policy, Tradeoff(weights, problem.betas))

        trainer.minimise(
            "policy",
            policy,
            lambda generator: task.batches("train", generator),
            loss_of,
            evaluate=lambda: problem.validate(policy),
            best="hypervolume",
            feedback=Feedback(sampler, values_at) if isinstance(sampler, AdaptiveSampler) else None,
        )

    def _vector_size_and_betas(self, objectives: Sequence[Objective]) -> tuple[int, Tensor]:
        """The width of the vector that conditioners read (m, or 2 m if betas vary), and betas of training, `[n, m]`."""
        m = len(objectives)
        check_scalarizer(self._scalarizer, m)
        betas, betas_vary = checked_betas(objectives, self._sampler, self._betas, is_conditioned=self._conditioner is not None)
        return 2 * m if betas_vary else m, betas
