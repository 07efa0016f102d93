"""The method `cos-dpo-trees`: Weight-COS-DPO and Temperature-COS-DPO with gradient-boosted trees."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from moft import ConfigError
from moft.api import (
    AdaptiveSampler,
    Batch,
    BoostedTrees,
    ConditionedPolicy,
    Count,
    Default,
    Draws,
    Epochs,
    Factory,
    Loss,
    ModelSpec,
    Objective,
    ObjectiveLosses,
    Problem,
    ProvidesFeatures,
    Sampler,
    Scalarizer,
    SummedTrees,
    TemperaturePolicy,
    TradeoffFeatures,
    Trainer,
    beta_shares,
    check_losses,
    check_scalarizer,
    checked_betas,
    checked_draws,
    label_statistics,
    loss_scale,
    note_unlabelled,
)
from moft_trees.growing import TreeGrower, TreeSettings
from moft_trees.newton_steps import Copies, NewtonSteps


class CosDPOTrees:
    """COS-DPO (conditioned one-shot DPO) with gradient-boosted trees: grows one LightGBM booster for all weights.

    The trees give the correction to the base score, from the features of a document as they are and the objective weights as
    further features, or as a sum that the weights weigh. Every list is trained on in several copies, each with weights of its
    own, which are drawn anew now and then. The number of trees is chosen on the validation split.

    Args:
        form: `conditioned` has the weights as further features. `sum` has plain trees for each objective; the correction is the
            sum of their outputs times the weights, so that the policy is as many plain LightGBM models as there are objectives.
            It trains at fixed betas only.
        sampler: of the weights.
        loss: of the objectives that name none of their own.
        scalarizer: makes one number of the objectives' losses.
        betas: sampler of betas. The betas are then further features, so that the policy serves them in any ratio. Only ratios
            count: draws are divided by their sum, and a share below 0.01 counts as 0.01. Null trains at the objectives' own
            betas. A sampler that always gives the same values has to give a multiple of these, and trains at it.
        balance: `gradient` divides each objective's loss by the norm of its gradient at the reference, so that a weight is the
            objective's share of the gradient when training starts, whatever its labels and beta; `none` leaves the losses as
            in the paper.
        trees: number of trees; for the form `sum`, of each objective.
        draws: copies of each list, each with tradeoffs of its own. Time and memory grow in proportion; for the form `sum`, only
            those of the loss.
        redraw: trees after which the copies get new tradeoffs, and the policy is measured on the validation split.
        grow: how trees are grown.

    Source: the losses are those of arXiv 2410.08316, equations 12 and 16; the trees are Newton boosting, Friedman 2001 and
    Chen and Guestrin 2016, as LightGBM implements it. Weights as features of trees are ours.
    """

    reads_features = True

    def __init__(
        self,
        *,
        form: Literal["conditioned", "sum"] = "conditioned",
        sampler: Annotated[Factory[Sampler], Default("dirichlet", {"vertices": 0.6})],
        loss: Annotated[Loss, Default("lipo-lambda")],
        scalarizer: Annotated[Scalarizer, Default("linear")],
        betas: Factory[Sampler] | None = None,
        balance: Literal["gradient", "none"] = "gradient",
        trees: Epochs = 120,
        draws: Draws = 4,
        redraw: Count = 10,
        grow: TreeSettings = TreeSettings(),  # noqa: B008 - a frozen record
    ) -> None:
        self._sampler, self._loss, self._scalarizer, self._betas = sampler, loss, scalarizer, betas
        self._is_balanced, self._is_sum = balance == "gradient", form == "sum"
        self._trees, self._draws, self._redraw, self._grow = trees, draws, redraw, grow

    def policy(self, problem: Problem) -> ConditionedPolicy | TemperaturePolicy:
        """The untrained policy: for betas that vary, a `TemperaturePolicy`; for fixed ones, a `ConditionedPolicy`."""
        task = problem.task
        if not isinstance(task, ProvidesFeatures):
            raise ConfigError(f"[method] trees need features in columns, which the task {type(task).__name__} has not.")
        betas, betas_vary = self._checked_betas(task.objectives)
        m, table = len(task.objectives), task.feature_table()
        model = (
            SummedTrees(table, m)
            if self._is_sum
            else BoostedTrees(table, tradeoff_size=m * (2 if betas_vary else 1), is_correction=True)
        )
        conditioner = TradeoffFeatures(model.spec)
        return TemperaturePolicy(model, conditioner) if betas_vary else ConditionedPolicy(model, conditioner, betas[:1])

    def check(self, objectives: Sequence[Objective], spec_of: Callable[[int], ModelSpec]) -> None:
        self._checked_betas(objectives)

    def check_labels(self, objectives: Sequence[Objective], batch: Batch) -> None:
        check_losses(objectives, self._loss, batch)

    def train(self, policy: ConditionedPolicy | TemperaturePolicy, problem: Problem, trainer: Trainer) -> None:
        task, m = problem.task, len(problem.task.objectives)
        model = policy.model
        if not isinstance(model, BoostedTrees | SummedTrees) or not isinstance(task, ProvidesFeatures):
            raise ConfigError("[method] cos-dpo-trees trains a policy of trees only.")
        sampler, betas_vary = self._sampler(m), isinstance(policy, TemperaturePolicy)
        beta_sampler = self._betas(m) if self._betas is not None and betas_vary else None
        losses = ObjectiveLosses(task.objectives, self._loss)
        trained_at = policy.betas.cpu() if isinstance(policy, ConditionedPolicy) else torch.ones(1, m)
        batches = task.batches("train")
        lists = [_without_inputs(batch) for batch in batches]
        statistics = label_statistics(losses, lists, trained_at)
        note_unlabelled(statistics, task.objectives, trainer, task.nouns)
        scale = loss_scale(statistics, is_balanced=self._is_balanced)

        def load(block: int) -> NDArray[np.float32]:
            batch = batches.load(batches.plan[block])
            table: NDArray[np.float32] = batch.inputs["table"][batch.items].cpu().numpy()
            return table

        sizes = [int(batch.items.sum()) for batch in lists]
        lengths = torch.cat([batch.items.sum(1) for batch in lists])  # [lists], in the order of the batches
        steps = NewtonSteps(lists, losses, self._scalarizer, scale, is_balanced=self._is_balanced and betas_vary)
        del lists

        def rows_of(vectors: Tensor) -> NDArray[np.float32]:
            """`[documents, copies, tradeoff]`, of vectors `[copies, lists, tradeoff]`."""
            rows: NDArray[np.float32] = vectors.transpose(0, 1).repeat_interleave(lengths, dim=0).float().numpy()
            return rows

        growers: list[TreeGrower] = []  # made when the first chunk is grown; a finished job needs none

        def grow(chunk: int, generator: Generator) -> Iterator[dict[str, float]]:
            if not growers:
                shape = (1, m) if isinstance(model, SummedTrees) else (self._draws, 1)
                growers.append(TreeGrower(load, sizes, task.feature_table(), self._grow, *shape))
            count = self._draws * len(lengths)
            weights = checked_draws(sampler, count, generator, m).view(self._draws, -1, m)
            copies, vectors = Copies(weights, trained_at.unsqueeze(0), torch.ones(1, 1)), weights
            if beta_sampler is not None:
                shares = beta_shares(checked_draws(beta_sampler, count, generator, m)).view(self._draws, -1, m)
                copies = Copies(weights, shares, 1 / (weights * shares).sum(-1))
                vectors = torch.cat([weights, shares], dim=-1)
            seed = int(torch.randint(2**31 - 1, (), generator=generator))
            if isinstance(model, SummedTrees):
                factors = rows_of(vectors)
                derivatives = partial(steps.of_sum, copies=copies, weights=factors.astype(np.float64))
                yield from growers[0].chunk(model, factors[:, 0, :0], rounds[chunk], seed, derivatives)
            else:  # the rows have no name here, so that they can be freed when they are binned
                size = vectors.shape[-1]
                yield from growers[0].chunk(
                    model, rows_of(vectors).reshape(-1, size), rounds[chunk], seed, partial(steps, copies=copies)
                )

        rounds = [min(self._redraw, self._trees - begin) for begin in range(0, self._trees, self._redraw)]
        trainer.boost("policy", policy, rounds, grow, evaluate=lambda: problem.validate(policy), best="hypervolume")

    def _checked_betas(self, objectives: Sequence[Objective]) -> tuple[Tensor, bool]:
        """`[n, m]`, betas as they will be in training, and whether they vary."""
        check_scalarizer(self._scalarizer, len(objectives))
        if isinstance(self._sampler(len(objectives)), AdaptiveSampler):
            raise ConfigError("[method.sampler] trees cannot learn from an adaptive sampler; use another one, such as dirichlet.")
        betas, betas_vary = checked_betas(objectives, self._sampler, self._betas, is_conditioned=True)
        if self._is_sum and betas_vary:
            raise ConfigError(
                "[method.betas] plain trees cannot read betas that vary; leave betas out, or use the form 'conditioned'."
            )
        return betas, betas_vary


def _without_inputs(batch: Batch) -> Batch:
    return replace(batch, inputs={})
