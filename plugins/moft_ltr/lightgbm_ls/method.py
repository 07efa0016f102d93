"""The method `lightgbm-ls`: a LambdaMART ranker for each weighting of a grid, on labels that are mixed by the weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Generator, Tensor

from moft import ConfigError
from moft.api import (
    Batch,
    BoostedTrees,
    ContextLoss,
    DedicatedModels,
    Default,
    Factory,
    FeatureTable,
    Fraction,
    ModelSpec,
    NearestPolicy,
    Objective,
    Problem,
    ProvidesFeatures,
    Sampler,
    Tradeoff,
    Trainer,
    WeightGrid,
    import_lightgbm,
    parse_lightgbm,
)
from moft_ltr.base.lambdamart import LambdaMART, LambdaMARTGrower, Use
from moft_ltr.lightgbm_ls.mixed_labels import ScaledLabels, read_documents, scaled_labels

USE = Use(
    "method", "method.grow.items", "lightgbm-ls", "mixed label", "use a larger main_share, another split, or other objectives"
)
BUDGET = 2**14
"""Documents that are ranked at once on the validation split, padding included."""


class LightGBMLS:
    """Linear scalarisation of labels: for each weighting of a grid, a LightGBM ranker trained on mixed labels.

    The labels of each objective, after their transforms, are scaled to 0..1 within each query. They are mixed by the weights, and
    with the main label, scaled likewise, in thousandths. LambdaMART then optimises NDCG with the mixed label as gain, and keeps
    the number of trees with the best NDCG@10 of the mixed label on the validation split. A query whose labels do not differ, and
    a document without a label, contribute 0 for that objective. Losses and betas of objectives are not used. For weights between
    the points of the grid, the policy uses the ranker of the nearest point.

    Args:
        grid: sampler whose grid has the weightings.
        points: number of weightings, each of them a training job.
        main_share: share of the main label, 0 to 1; a larger value keeps more of the main objective.
        grow: how the trees of a ranker are grown.

    Source: Burges 2010, MSR-TR-2010-82, as LightGBM implements it, on one label for each weighting.
    """

    reads_features = True

    def __init__(
        self,
        *,
        grid: Annotated[Factory[Sampler], Default("dirichlet")],
        points: Annotated[int, Ge(1), Le(10_000)] = 11,
        main_share: Fraction = 0.5,
        grow: LambdaMART = LambdaMART(),  # noqa: B008 - a frozen record
    ) -> None:
        self._grid, self._main_share, self._grow = WeightGrid(grid, points), main_share, grow

    def policy(self, problem: Problem) -> RankersOfGrid:
        """A ranker without trees for each weighting."""
        task = problem.task
        if not isinstance(task, ProvidesFeatures):
            raise ConfigError(f"[method] trees need features in columns, which the task {type(task).__name__} has not.")
        weights = self._grid.weights(len(task.objectives))
        trees = BoostedTrees(task.feature_table(), tradeoff_size=0, is_correction=False)
        return RankersOfGrid(DedicatedModels(trees, len(weights)), weights, problem.betas)

    def check(self, objectives: Sequence[Objective], spec_of: Callable[[int], ModelSpec]) -> None:
        import_lightgbm("method")
        self._grid.weights(len(objectives))

    def check_labels(self, objectives: Sequence[Objective], batch: Batch) -> None:
        found = scaled_labels(batch).flatten(0, 1).any(0).tolist()
        for objective, has_labels in zip(objectives, found, strict=False):
            if not has_labels and isinstance(objective.loss, ContextLoss) and objective.loss.asks.attributes:
                raise ConfigError(
                    f"[task.objectives.{objective.name}] has no labels, and 'lightgbm-ls' learns from labels alone; use another "
                    "method, such as cos-dpo-trees."
                )

    def train(self, policy: RankersOfGrid, problem: Problem, trainer: Trainer) -> None:
        task = problem.task
        if any(objective.loss is not None or objective.beta != 1 for objective in task.objectives):
            trainer.note("lightgbm-ls learns from mixed labels; it uses neither losses nor betas of objectives.")
        if task.main is None and self._main_share:
            trainer.note("There is no main objective, so lightgbm-ls mixes the labels of the objectives alone.")
        share = 0.0 if task.main is None else self._main_share
        data = _Data(problem, self._grow)
        for index, weights in enumerate(policy.grid.cpu()):
            trees = policy.dedicated[index]
            if not isinstance(trees, BoostedTrees):
                raise ConfigError("[method] lightgbm-ls trains a policy of trees only.")
            name = f"grid-{index + 1}-of-{len(policy.grid)}"
            trainer.boost(name, trees, [self._grow.trees], partial(data.grown, trees, weights, share))
            if not len(parse_lightgbm(trees.text).used):
                trainer.note(f"{name}: no split ranks the training documents better, so this ranker gives all the same score.")


class _Data:
    """The training and the validation split, which are read when the first ranker is grown; a finished job needs neither.

    Args:
        problem: whose lists are read.
        settings: of the trees.
    """

    def __init__(self, problem: Problem, settings: LambdaMART) -> None:
        self._problem, self._settings = problem, settings

    def grown(
        self, trees: BoostedTrees, weights: Tensor, share: float, _: int, generator: Generator
    ) -> Iterator[dict[str, float]]:
        """Grows the ranker of a weighting, and yields 1 less the NDCG@10 of the mixed validation labels after each tree."""
        grower, train, validation = self._read
        seed = int(torch.randint(2**31 - 1, (), generator=generator))
        for value in grower.grow(train.mixed(weights, share), validation.mixed(weights, share), seed=seed, gain="linear"):
            yield {"loss": 1 - value}
        trees.text = grower.text

    @cached_property
    def _read(self) -> tuple[LambdaMARTGrower, ScaledLabels, ScaledLabels]:
        task = self._problem.task
        table = task.feature_table() if isinstance(task, ProvidesFeatures) else FeatureTable(())
        train, validation = (read_documents(partial(task.batches, split), table) for split in ("train", "validation"))
        grower = LambdaMARTGrower(self._settings, train[0], validation[0], budget=BUDGET, use=USE)
        return grower, train[1], validation[1]


class RankersOfGrid(NearestPolicy):
    """The rankers of a grid. At a dial of 1, the scores are those of the trees, ties included."""

    def forward(self, batch: Batch, tradeoff: Tradeoff) -> Tensor:
        wide = replace(batch, reference=batch.reference.double())  # so that a score less the reference, and back, is itself
        return super().forward(wide, tradeoff).to(batch.reference.dtype)
