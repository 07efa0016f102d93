"""The base ranker `lambdamart`, and how LightGBM rankers are grown on labels of any kind."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import torch
from annotated_types import Gt, Le
from numpy.typing import NDArray
from torch import Tensor

from moft import ConfigError, DataError
from moft.api import Count, Epochs, Positive, import_lightgbm, length_grouped
from moft_ltr.data.converted.dataset_folder import Floats
from moft_ltr.metrics.ndcg import ndcg, ranking
from moft_ltr.metrics.tied_metrics import mean_over_queries


@dataclass(frozen=True)
class LambdaMART:
    """A gradient-boosted ranker, trained by LightGBM's `lambdarank`; as base ranker, on the main objective.

    Its features are the unscaled inputs of the tuned ranker. It optimises the gain that its labels are measured with, and keeps
    the number of trees with the best NDCG@10 on the validation queries. The same seed gives the same trees on any number of
    threads.

    Args:
        trees: largest number of trees.
        patience: trees without a better NDCG@10 on the validation queries after which training stops.
        leaves: leaves of a tree, from 2 to 131072; more leaves fit finer and need more data.
        learning_rate: factor on each tree; a smaller one needs more trees.
        items: smallest number of training documents in a leaf, at most half of all; a larger value smooths the trees.
        features: share of the columns that are available to a tree, drawn for each tree; above 0, at most 1.

    Source: Burges 2010, MSR-TR-2010-82, as LightGBM implements it.
    """

    name: Literal["lambdamart"] = "lambdamart"
    trees: Epochs = 500
    patience: Count = 50
    leaves: Annotated[int, Gt(1), Le(131072)] = 31
    learning_rate: Positive = 0.05
    items: Count = 20
    features: Annotated[float, Gt(0), Le(1)] = 1.0


@dataclass(frozen=True)
class Use:
    """What a ranker is trained for, in words of messages.

    Args:
        setting: that asks for it.
        items: the setting of the smallest number of documents in a leaf.
        name: of the component.
        labels: what the labels are called.
        advice: what to do where no validation query has a label above 0.
    """

    setting: str
    items: str
    name: str
    labels: str
    advice: str


BASE = Use("task.base", "task.base.items", "lambdamart", "main label", "use another base ranker or another split")


@dataclass(frozen=True, eq=False)
class Documents:
    """The documents of a split, query by query, in the order that LightGBM sees them in.

    Args:
        blocks: their features, in blocks `[items, columns]`, which are read once.
        lengths: `[lists]` int64, documents of each query.
        weights: `[items]`, the weight of each document's query; None where all count the same.
        categorical: the columns, from 0, whose numbers are codes of categories.
    """

    blocks: Iterable[Floats]
    lengths: Tensor
    weights: Tensor | None = None
    categorical: Sequence[int] = ()


def check_leaf_size(settings: LambdaMART, documents: int, use: Use = BASE) -> None:
    """Checks that a tree can split this many training documents.

    Raises:
        ConfigError: it cannot.
    """
    if 2 * settings.items > documents:
        raise ConfigError(
            f"[{use.items}] {settings.items} is more than half of the {documents} training documents, so that no tree could "
            f"split them; allowed here: 1 to {documents // 2}."
        )


class LambdaMARTGrower:
    """The binned documents of two splits, on which rankers are grown for one set of labels after another.

    Args:
        settings: of the trees.
        train: what is learned from.
        validation: what selects the number of trees.
        budget: documents that are ranked at once, padding included.
        use: of the rankers.

    Raises:
        ConfigError: lightgbm is not installed, or leaves have to hold more documents than there are.
        DataError: LightGBM refuses the data.
    """

    text = ""
    """The LightGBM model that was grown last: its trees up to those with the best NDCG@10 on the validation queries."""

    def __init__(self, settings: LambdaMART, train: Documents, validation: Documents, *, budget: int, use: Use = BASE) -> None:
        self._lightgbm = import_lightgbm(use.setting)
        check_leaf_size(settings, int(train.lengths.sum()), use)
        self._settings, self._validation, self._budget, self._use = settings, validation, budget, use
        self._parameters = {
            "objective": "lambdarank",
            "metric": "None",
            "num_leaves": settings.leaves,
            "learning_rate": settings.learning_rate,
            "min_data_in_leaf": settings.items,
            "feature_fraction": settings.features,
            "num_threads": torch.get_num_threads(),
            "deterministic": True,
            "force_col_wise": True,  # one thread sums each histogram, so that the number of threads does not change the result
            "verbosity": -1,
        }
        with self._telling():
            self._train = self._binned(train)
            self._check = self._binned(validation, reference=self._train)

    def grow(self, train: Tensor, validation: Tensor, *, seed: int, gain: str) -> Iterator[float]:
        """Grows a ranker, yields the mean NDCG@10 of the validation queries after each tree, and leaves it in `text`.

        Args:
            train: `[items]`, the labels of the training documents.
            validation: `[items]`, those of the validation documents.
            seed: of the columns that are drawn for each tree.
            gain: of the labels in NDCG, `linear` or `exp2`.

        Raises:
            DataError: no validation query has a label above 0, or LightGBM refuses the data.
        """
        measure = _ValidationNDCG(self._validation, validation, self._budget, gain, self._use)
        values, grades = np.unique(train.numpy().astype(np.float64), return_inverse=True)
        gains = np.exp2(values) - 1 if gain == "exp2" else values
        best, best_trees = -math.inf, 0
        with self._telling():
            # LightGBM needs integer labels. `grades` index `label_gain`; the validation labels are only read by `measure`.
            self._train.set_label(grades)
            self._check.set_label(np.zeros(len(validation)))
            own = {"label_gain": gains.tolist(), "seed": seed % 2**31}
            booster = self._lightgbm.Booster({**self._parameters, **own}, self._train)
            booster.add_valid(self._check, "validation")
            for trees in range(1, self._settings.trees + 1):
                is_finished = booster.update()
                ((_, _, value, _),) = booster.eval_valid(lambda scores, _: ("ndcg", measure(scores), True))
                yield value
                if value > best:
                    best, best_trees = value, trees
                if is_finished or trees - best_trees >= self._settings.patience:  # finished: no further split is better than none
                    break
            text: str = booster.model_to_string(num_iteration=best_trees)
        # the parameters hold the number of threads: equal models would differ
        self.text = text.partition("\nparameters:")[0] + "\n"

    def _binned(self, documents: Documents, reference: Any = None) -> Any:
        return self._lightgbm.Dataset(
            list(documents.blocks),
            weight=None if documents.weights is None else documents.weights.numpy(),
            group=documents.lengths.numpy(),
            categorical_feature=list(documents.categorical),
            reference=reference,
            params=self._parameters,
        ).construct()

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """A block in which what LightGBM refuses is told in one line."""
        try:
            yield
        except self._lightgbm.basic.LightGBMError as error:
            raise DataError(
                f"[{self._use.setting}] LightGBM cannot train on these queries: {' '.join(str(error).split())}"
            ) from error


def train_lambdamart(
    settings: LambdaMART,
    train: tuple[Documents, Tensor],
    validation: tuple[Documents, Tensor],
    *,
    budget: int,
    seed: int,
    gain: str,
) -> str:
    """Trains the base ranker, and returns the text of its LightGBM model.

    Args:
        settings: of the base ranker.
        train: what is learned from, with `[items]` main labels.
        validation: what selects the number of trees, with its main labels.
        budget: documents that are ranked at once, padding included.
        seed: of the run.
        gain: of the main labels in NDCG, `linear` or `exp2`.

    Raises:
        ConfigError: lightgbm is not installed, or leaves have to hold more documents than there are.
        DataError: no validation query has a main label above 0, or LightGBM refuses the data.
    """
    grower = LambdaMARTGrower(settings, train[0], validation[0], budget=budget)
    for _ in grower.grow(train[1], validation[1], seed=seed, gain=gain):
        pass
    return grower.text


class _ValidationNDCG:
    """Mean NDCG@10 over queries, from scores of all their documents."""

    def __init__(self, documents: Documents, labels: Tensor, budget: int, gain: str, use: Use) -> None:
        self._gain, lengths = gain, documents.lengths
        if not (labels > 0).any():
            raise DataError(
                f"[{use.setting}] {use.name!r} is selected by NDCG on the validation queries, but none has a {use.labels} above "
                f"0; {use.advice}."
            )
        starts = lengths.cumsum(0) - lengths
        self._weights: Tensor | None = None
        self._groups: list[tuple[Tensor, Tensor, Tensor]] = []  # indices, labels and items, each [lists, list]
        for lists in length_grouped(lengths, budget):
            sizes = lengths[lists].unsqueeze(1)
            ranks = torch.arange(int(sizes.max()))  # [list]
            items, indices = ranks < sizes, starts[lists].unsqueeze(1) + ranks.minimum(sizes - 1)
            self._groups.append((indices, labels[indices].masked_fill(~items, 0.0), items))
        if documents.weights is not None:
            self._weights = torch.cat([documents.weights[indices[:, 0]] for indices, _, _ in self._groups])

    def __call__(self, scores: NDArray[Any]) -> float:
        flat = torch.from_numpy(np.asarray(scores, dtype=np.float32))
        values = [
            ndcg(ranking(flat[indices].unsqueeze(0), items, 10), labels, items, self._gain, "skip")[0]
            for indices, labels, items in self._groups
        ]
        return mean_over_queries(torch.cat(values), self._weights)
