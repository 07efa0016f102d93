"""The base ranker `lambdamart`: trains a LightGBM ranker on the main objective."""

from __future__ import annotations

from collections.abc import Iterable
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
    """A gradient-boosted ranker, trained on the main objective by LightGBM's `lambdarank`.

    Its features are the unscaled inputs of the tuned ranker. It optimises the gain that the main objective is measured with, and
    keeps the number of trees with the best NDCG@10 on the validation queries. The same seed gives the same trees on any number of
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


@dataclass(frozen=True, eq=False)
class Documents:
    """The documents of a split, query by query, in the order that LightGBM sees them in.

    Args:
        blocks: their unscaled features, in blocks `[items, columns]`.
        main: `[items]`, their main labels.
        lengths: `[lists]` int64, documents of each query.
        weights: `[items]`, the weight of each document's query; None where all count the same.
    """

    blocks: Iterable[Floats]
    main: Tensor
    lengths: Tensor
    weights: Tensor | None = None


def check_leaf_size(settings: LambdaMART, documents: int) -> None:
    """Checks that a tree can split this many training documents.

    Raises:
        ConfigError: it cannot.
    """
    if 2 * settings.items > documents:
        raise ConfigError(
            f"[task.base.items] {settings.items} is more than half of the {documents} training documents, so that no tree could "
            f"split them; allowed here: 1 to {documents // 2}."
        )


def train_lambdamart(settings: LambdaMART, train: Documents, validation: Documents, *, budget: int, seed: int, gain: str) -> str:
    """Trains on `train`, keeps the trees with the best NDCG@10 on `validation`, and returns the text of the LightGBM model.

    Args:
        settings: of the base ranker.
        train: what is learned from.
        validation: what selects the number of trees.
        budget: documents that are ranked at once, padding included.
        seed: of the run.
        gain: of the main labels in NDCG, `linear` or `exp2`.

    Raises:
        ConfigError: lightgbm is not installed, or leaves have to hold more documents than there are.
        DataError: no validation query has a main label above 0, or LightGBM refuses the data.
    """
    lightgbm = import_lightgbm()
    check_leaf_size(settings, len(train.main))
    measure = _ValidationNDCG(validation, budget, gain)
    values, grades = np.unique(train.main.numpy().astype(np.float64), return_inverse=True)
    gains = np.exp2(values) - 1 if gain == "exp2" else values
    parameters = {
        "objective": "lambdarank",
        "metric": "None",
        "label_gain": gains.tolist(),
        "num_leaves": settings.leaves,
        "learning_rate": settings.learning_rate,
        "min_data_in_leaf": settings.items,
        "feature_fraction": settings.features,
        "seed": seed % 2**31,
        "num_threads": torch.get_num_threads(),
        "deterministic": True,
        "force_col_wise": True,  # one thread sums each histogram, so that the number of threads does not change the result
        "verbosity": -1,
    }
    # LightGBM needs integer labels. `grades` index `label_gain`; the validation labels are only read by `measure`.
    weights = None if train.weights is None else train.weights.numpy()
    data = lightgbm.Dataset(list(train.blocks), grades, weight=weights, group=train.lengths.numpy(), params=parameters)
    unused = np.zeros(len(validation.main))
    check = lightgbm.Dataset(list(validation.blocks), unused, group=validation.lengths.numpy(), reference=data, params=parameters)
    try:
        booster = lightgbm.train(
            parameters,
            data,
            num_boost_round=settings.trees,
            valid_sets=[check],
            feval=lambda scores, _: ("ndcg", measure(scores), True),
            callbacks=[lightgbm.early_stopping(settings.patience, verbose=False)],
        )
    except lightgbm.basic.LightGBMError as error:
        raise DataError(f"[task.base] LightGBM cannot train on these queries: {' '.join(str(error).split())}") from error
    text: str = booster.model_to_string(num_iteration=booster.best_iteration)
    return text.partition("\nparameters:")[0] + "\n"  # the parameters hold the number of threads: equal models would differ


class _ValidationNDCG:
    """Mean NDCG@10 of the main objective over queries, from scores of all their documents."""

    def __init__(self, documents: Documents, budget: int, gain: str) -> None:
        self._gain, main, lengths = gain, documents.main, documents.lengths
        if not (main > 0).any():
            raise DataError(
                "[task.base] 'lambdamart' is selected by NDCG on the validation queries, but none has a main label above 0; "
                "use another base ranker or another split."
            )
        starts = lengths.cumsum(0) - lengths
        self._weights: Tensor | None = None
        self._groups: list[tuple[Tensor, Tensor, Tensor]] = []  # indices, labels and items, each [lists, list]
        for lists in length_grouped(lengths, budget):
            sizes = lengths[lists].unsqueeze(1)
            ranks = torch.arange(int(sizes.max()))  # [list]
            items, indices = ranks < sizes, starts[lists].unsqueeze(1) + ranks.minimum(sizes - 1)
            self._groups.append((indices, main[indices].masked_fill(~items, 0.0), items))
        if documents.weights is not None:
            self._weights = torch.cat([documents.weights[indices[:, 0]] for indices, _, _ in self._groups])

    def __call__(self, scores: NDArray[Any]) -> float:
        flat = torch.from_numpy(np.asarray(scores, dtype=np.float32))
        values = [
            ndcg(ranking(flat[indices].unsqueeze(0), items, 10), labels, items, self._gain, "skip")[0]
            for indices, labels, items in self._groups
        ]
        return mean_over_queries(torch.cat(values), self._weights)
