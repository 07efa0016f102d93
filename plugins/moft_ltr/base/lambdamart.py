"""A LightGBM ranker that is trained here, on the main labels of the training lists."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import torch
from annotated_types import Gt, Le
from numpy.typing import NDArray
from torch import Tensor

from moft import DataError
from moft.api import Count, Positive, length_grouped
from moft_ltr.base.lightgbm_model import Floats, lightgbm_package
from moft_ltr.data.lists_on_device import ListStore
from moft_ltr.metrics.ndcg import ndcg, ranking


@dataclass(frozen=True)
class LambdaMART:
    """A gradient-boosted ranker, trained on the main objective by LightGBM's `lambdarank`.

    It sees the raw columns that are the tuned ranker's inputs, and learns by the gain that the main objective is measured with.
    The number of trees that ranks the validation lists best, by NDCG@10, is kept. The same seed gives the same trees on any
    number of threads.

    Args:
        trees: at most.
        patience: trees without a better NDCG@10 on the validation lists after which it stops.
        leaves: of a tree, at least 2; more fit finer and need more data.
        learning_rate: what a tree counts; a smaller one needs more trees.
        items: fewest training items of a leaf; more smooth the trees.
        features: share of the columns that a tree may split by, drawn for each tree; above 0, at most 1.

    Source: Burges 2010, MSR-TR-2010-82, as LightGBM implements it.
    """

    name: Literal["lambdamart"] = "lambdamart"
    trees: Count = 500
    patience: Count = 50
    leaves: Annotated[int, Gt(1)] = 31
    learning_rate: Positive = 0.05
    items: Count = 20
    features: Annotated[float, Gt(0), Le(1)] = 1.0


def trained_trees(
    settings: LambdaMART,
    blocks: tuple[Iterable[Floats], Iterable[Floats]],
    train: ListStore,
    validation: ListStore,
    *,
    budget: int,
    seed: int,
    gain: str,
) -> str:
    """The text of a LightGBM model, trained on `train` and cut where it ranks `validation` best.

    Args:
        settings: of the base ranker.
        blocks: raw features of the training and of the validation items, each `[items, columns]` in pieces, in order.
        train: main labels and lists.
        validation: main labels and lists.
        budget: padded items that are ranked at once.
        seed: of the run.
        gain: of the main labels in NDCG, `linear` or `exp2`.

    Raises:
        ConfigError: lightgbm is not installed.
        DataError: no validation list has gain, or LightGBM refuses the data.
    """
    lightgbm = lightgbm_package()
    measure = _Measure(validation, budget, gain)
    values, grades = np.unique(train.main.cpu().numpy().astype(np.float64), return_inverse=True)
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
        "force_col_wise": True,  # each histogram is summed by one thread, so that their number changes no bit
        "verbosity": -1,
    }
    # LightGBM takes whole numbers as labels; their gains are in `label_gain`, and the measure here reads the labels themselves
    data = lightgbm.Dataset(list(blocks[0]), grades, group=train.lengths.numpy(), params=parameters)
    unseen = np.zeros(len(validation.main))
    check = lightgbm.Dataset(list(blocks[1]), unseen, group=validation.lengths.numpy(), reference=data, params=parameters)
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
        raise DataError(f"[task.base] LightGBM cannot train on these lists: {' '.join(str(error).split())}") from error
    text: str = booster.model_to_string(num_iteration=booster.best_iteration)
    return text.partition("\nparameters:")[0] + "\n"  # the rest tells of threads, and would differ between equal models


class _Measure:
    """Mean NDCG@10 of the main labels over the lists of a store, for the scores of all its items."""

    def __init__(self, store: ListStore, budget: int, gain: str) -> None:
        self._gain, main = gain, store.main.cpu()
        if not (main > 0).any():
            raise DataError(
                "[task.base] 'lambdamart' keeps what ranks the validation lists best, and none of them has a main label above 0."
            )
        self._groups: list[tuple[Tensor, Tensor, Tensor]] = []  # places, labels and items, each [lists, list]
        for lists in length_grouped(store.lengths, budget):
            lengths = store.lengths[lists].unsqueeze(1)
            ranks = torch.arange(int(lengths.max()))  # [list]
            items, places = ranks < lengths, store.starts[lists].unsqueeze(1) + ranks.minimum(lengths - 1)
            self._groups.append((places, main[places].masked_fill(~items, 0.0), items))

    def __call__(self, scores: NDArray[Any]) -> float:
        flat = torch.from_numpy(np.asarray(scores, dtype=np.float32))
        values = [
            ndcg(ranking(flat[places].unsqueeze(0), items, 10), labels, items, self._gain, "skip")[0]
            for places, labels, items in self._groups
        ]
        return torch.cat(values).nanmean().item()
