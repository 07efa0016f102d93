"""Weight-COS-DPO and Temperature-COS-DPO: one model for every weighting of the objectives, from one training run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Literal

import torch
from torch import Generator, Tensor

from moft import ConfigError
from moft.api import (
    AdaptiveSampler,
    Batch,
    ConditionedPolicy,
    Conditioner,
    Count,
    Default,
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
    betas_of,
    check_scalarizer,
    draws_of,
    injection_of,
    label_statistics,
    loss_scale,
    note_unlabelled,
    refuse_misfit,
)

_FLOOR = 1e-2  # of a beta's share: the best correction grows like its inverse, and a drawn share may be zero
_APART = (
    "The conditioner serves one tradeoff at a time, so the lists of a batch went through the model tradeoff by tradeoff; with "
    "method.share_draws there is one of them for each step."
)
_LOOKED_AT = 64  # draws by which a sampler is judged before training


class CosDPO:
    """Conditioned one-shot DPO: weights, and betas if asked for, are drawn while training, and the model is told which.

    Args:
        sampler: of the weights.
        conditioner: how the model is told, or a list of ways, which are mixed; null for a plain model, which goes with a
            `fixed` sampler only.
        loss: of the objectives that name none of their own.
        scalarizer: makes one number of the objectives' losses.
        betas: sampler of betas; the model then answers betas in any ratio. Only ratios count, and a share
            of the sum below 0.01 is drawn as 0.01. Null, or one that always gives the same, trains at the objectives' own.
        balance: `gradient` divides each objective's loss by the size of its gradient at the reference, so that a weight means
            a share of the pull, whatever the labels and the beta; `none` leaves losses as in the paper.
        draws: tradeoffs per list and step; more lower the variance and cost proportionally more.
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
        draws: Count = 1,
        share_draws: bool = False,
    ) -> None:
        self._sampler, self._conditioner, self._loss, self._scalarizer = sampler, conditioner, loss, scalarizer
        self._betas, self._balance, self._draws, self._share_draws = betas, balance, draws, share_draws

    def policy(self, problem: Problem) -> ConditionedPolicy | TemperaturePolicy:
        size, drawn = self._asked(problem.task.objectives)
        model = problem.task.model(size)
        device = next(model.parameters()).device
        conditioner = None if self._conditioner is None else self._conditioner(model.spec).to(device)
        if size > len(problem.task.objectives) and conditioner is not None:
            return TemperaturePolicy(model, conditioner)
        return ConditionedPolicy(model, conditioner, drawn[:1].to(device))

    def check(self, objectives: Sequence[Objective], spec_of: Callable[[int], ModelSpec]) -> None:
        size, _ = self._asked(objectives)
        if self._conditioner is not None:
            spec = spec_of(size)
            with torch.random.fork_rng(devices=[]):
                conditioner = self._conditioner(spec)
                refuse_misfit(spec, conditioner)
                injection_of(conditioner, torch.full((2 if conditioner.per_row else 1, size), 1 / size), spec)

    def is_adaptive(self, m: int) -> bool:
        return isinstance(self._sampler(m), AdaptiveSampler)

    def _asked(self, objectives: Sequence[Objective]) -> tuple[int, Tensor]:
        """Width of the vector that conditioners read, m or with betas 2 m, and some betas, `[n, m]`.

        Raises:
            ConfigError: samplers, scalarizer and conditioner do not go together, or with the objectives.
        """
        m, own = len(objectives), betas_of(objectives)
        check_scalarizer(self._scalarizer, m)
        weights = _looked_at(self._sampler(m), m)  # a sampler that does not fit the objectives is told before anything is trained
        if not torch.allclose(weights.sum(-1), torch.ones(len(weights)), atol=1e-4):
            raise ConfigError(
                f"[method.sampler] gives weights that do not sum to 1, such as {_plain(weights[0])}; use dirichlet."
            )
        drawn = own if self._betas is None else _looked_at(_told_nothing(self._betas(m)), m)
        weights_vary, betas_vary = (not rows.equal(rows[:1].expand_as(rows)) for rows in (weights, drawn))
        if self._conditioner is None and (weights_vary or betas_vary):
            kind, setting = ("weights", "sampler") if weights_vary else ("betas", "betas")
            raise ConfigError(
                f"[method.conditioner] null cannot follow {kind} that vary; use {setting}: fixed, or a conditioner."
            )
        if not betas_vary:
            _check_ratios(drawn[:1], own, [objective.name for objective in objectives])
        return 2 * m if betas_vary else m, drawn

    def train(self, policy: ConditionedPolicy | TemperaturePolicy, problem: Problem, trainer: Trainer) -> None:
        task = problem.task
        sampler = self._sampler(len(task.objectives))
        losses = ObjectiveLosses(task.objectives, self._loss)
        if policy.conditioner is not None and not policy.conditioner.per_row:
            trainer.note(_APART)
        shares = self._shares(policy, problem, trainer)
        trained = policy.betas.cpu() if isinstance(policy, ConditionedPolicy) else torch.ones_like(problem.betas)
        statistics = label_statistics(losses, task.batches("train"), trained)
        note_unlabelled(statistics, task.objectives, trainer)
        is_balanced = self._balance == "gradient"
        scale = loss_scale(statistics, is_balanced=is_balanced).to(next(policy.parameters()).device)

        def loss_of(batch: Batch) -> Tensor:
            weights = trainer.draw(sampler, self._draws, shared=self._share_draws)  # [batch, draws, m]
            rows = torch.arange(len(batch), device=weights.device).repeat_interleave(self._draws)
            drawn = batch.select(rows) if self._draws > 1 else batch
            flat = weights.flatten(0, 1)  # [batch * draws, m]
            betas = shares()  # [batch * draws, m] or [1, m]
            correction = policy.correction(drawn, Tradeoff(flat, betas))
            scaled = losses(correction, drawn, betas) * scale  # [batch * draws, m]
            if is_balanced and isinstance(policy, TemperaturePolicy):
                # at the reference the gradient is proportional to the beta, and `scale` was taken at equal ones
                scaled = scaled * betas.log().mean(-1, keepdim=True).exp() / betas
            return self._scalarizer(scaled, flat).view(weights.shape[:2]).mean(dim=1)  # [batch]

        def reached(weights: Tensor) -> Tensor:
            return problem.measure(policy, Tradeoff(weights, problem.betas))

        trainer.minimise(
            "policy",
            policy,
            lambda generator: task.batches("train", generator),
            loss_of,
            evaluate=lambda: problem.validate(policy),
            best="hypervolume",
            feedback=Feedback(sampler, reached) if isinstance(sampler, AdaptiveSampler) else None,
        )

    def _shares(self, policy: ConditionedPolicy | TemperaturePolicy, problem: Problem, trainer: Trainer) -> Callable[[], Tensor]:
        """The betas of a step: the trained ones, `[1, m]`, or drawn shares, `[batch * draws, m]`."""
        if isinstance(policy, ConditionedPolicy):
            return lambda: policy.betas
        if self._betas is None:
            raise ConfigError("[method.betas] null cannot train a policy for betas that vary.")
        sampler = self._betas(len(problem.task.objectives))

        def drawn() -> Tensor:
            values = trainer.draw(sampler, self._draws, shared=self._share_draws).flatten(0, 1)  # [batch * draws, m]
            floored = (values / values.sum(-1, keepdim=True)).clamp(min=_FLOOR)
            return floored / floored.sum(-1, keepdim=True)

        return drawn


def _looked_at(sampler: Sampler, m: int) -> Tensor:
    """`[n, m]`, some draws of a sampler, always the same."""
    return draws_of(sampler, _LOOKED_AT, Generator().manual_seed(0), m)


def _told_nothing(sampler: Sampler) -> Sampler:
    """The sampler of betas.

    Raises:
        ConfigError: it is one that would have to be told what the policy reaches.
    """
    if isinstance(sampler, AdaptiveSampler):
        raise ConfigError(
            "[method.betas] is told nothing of what the policy reaches, and an adaptive sampler needs that; it goes with "
            "method.sampler."
        )
    return sampler


def _check_ratios(fixed: Tensor, own: Tensor, names: Sequence[str]) -> None:
    """Nothing, when betas `[1, m]` are a multiple of the objectives' own, at which the policy is measured."""
    ratios = fixed / own
    if not ((ratios > 0).all() and torch.allclose(ratios, ratios[:, :1].expand_as(ratios), rtol=1e-4)):
        raise ConfigError(
            f"[method.betas] is always {_plain(fixed[0])}, no multiple of the objectives' "
            f"{_plain(own[0])}; set task.objectives.NAME.beta of {', '.join(names)} instead."
        )


def _plain(values: Tensor) -> list[float]:
    """Numbers as a user would write them."""
    return [float(f"{value:.4g}") for value in values.tolist()]
