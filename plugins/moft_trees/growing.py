"""Grows trees with LightGBM, on copies of every document with a tradeoff as further features, or on the documents themselves."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from annotated_types import Gt, Le
from numpy.typing import NDArray

from moft import DataError
from moft.api import BoostedTrees, Count, FeatureTable, NonNegative, Positive, SummedTrees, import_lightgbm

Floats = NDArray[np.float64]
Derivatives = NDArray[np.float32] | NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class TreeSettings:
    """How trees are grown.

    Args:
        leaves: leaves of a tree, from 2 to 131072; more leaves fit finer and need more data.
        learning_rate: factor on each tree; a smaller one needs more trees.
        items: smallest number of training documents in a leaf; a larger value smooths the trees.
        features: share of the columns that are available to a split, drawn for each one; above 0, at most 1.
        l2: number of documents without a wish that each leaf is averaged with; a larger value smooths the trees.
    """

    leaves: Annotated[int, Gt(1), Le(131072)] = 63
    learning_rate: Positive = 0.1
    items: Count = 20
    features: Annotated[float, Gt(0), Le(1)] = 0.3
    l2: NonNegative = 0.0


class TreeGrower:
    """The binned features of the training documents, on which trees are grown in chunks.

    Args:
        load: gives the features of the documents of a block as they are, `[n, features]`, by the block's number, from 0.
        sizes: number of documents of each block.
        table: what the task says of the features.
        settings: of the trees.
        copies: of each document.
        outputs: number of trees in a round, each for an output of its own.
    """

    def __init__(
        self,
        load: Callable[[int], NDArray[np.float32]],
        sizes: Sequence[int],
        table: FeatureTable,
        settings: TreeSettings,
        copies: int,
        outputs: int = 1,
    ) -> None:
        self._lightgbm = import_lightgbm("method")
        self._load, self._sizes, self._copies = load, sizes, copies
        self._parameters = {
            "objective": "none",
            "num_class": outputs,
            "num_leaves": settings.leaves,
            "learning_rate": settings.learning_rate,
            "min_data_in_leaf": settings.items * copies,
            "feature_fraction_bynode": settings.features,
            "lambda_l2": settings.l2 * copies,
            "min_sum_hessian_in_leaf": 1e-3,
            "num_threads": torch.get_num_threads(),
            "deterministic": True,
            "force_col_wise": True,  # so that the number of threads does not change the result
            "feature_pre_filter": False,
            "verbosity": -1,
        }
        self._documents = sum(sizes)
        self._data = self._lightgbm.Dataset(
            _read_in_blocks(self._lightgbm, load, sizes), params=self._parameters, categorical_feature=list(table.categorical)
        )
        self._data.construct()

    def chunk(
        self,
        trees: BoostedTrees | SummedTrees,
        vectors: NDArray[np.float32],
        rounds: int,
        seed: int,
        steps: Callable[[Floats], tuple[float, Derivatives, Derivatives]],
    ) -> Iterator[dict[str, float]]:
        """Grows more trees for new tradeoffs, one round at a time, and adds them to `trees` at the end.

        Args:
            trees: to continue.
            vectors: `[documents x copies, tradeoff]`, the further features of each copy; with no column, trees are plain.
            rounds: number of trees of each output.
            seed: of the columns that are drawn for each split.
            steps: outputs of all copies, `[documents x copies]`, or `[documents x copies, outputs]` for several outputs, to the
                loss, and to its first and second derivatives in the outputs.

        Raises:
            DataError: LightGBM refuses the data.
        """
        losses: list[float] = []

        def derivatives(outputs: Floats, _: Any) -> tuple[Derivatives, Derivatives]:
            loss, first, second = steps(outputs)
            losses.append(loss)
            return first, second

        try:
            outputs = self._outputs(trees, vectors)
            data = self._with_features(vectors) if vectors.shape[1] else self._data
            data.set_init_score(outputs)
            data.init_score = None  # LightGBM has its own copy
            del outputs, vectors  # so that they take no memory while trees grow
            booster = self._lightgbm.Booster({**self._parameters, "seed": seed}, data)
            for _ in range(rounds):
                is_finished = booster.update(fobj=derivatives)
                yield {"loss": losses[-1]}
                if is_finished:  # no further split is better than none
                    break
        except self._lightgbm.basic.LightGBMError as error:
            raise DataError(f"[method] LightGBM cannot train on these lists: {' '.join(str(error).split())}") from error
        trees.extend(booster.model_to_string())

    def _with_features(self, vectors: NDArray[np.float32]) -> Any:
        """The bins of all copies, with further features."""
        data = self._data.subset(np.repeat(np.arange(self._documents), self._copies)).construct()
        extra = self._lightgbm.Dataset(vectors, params=self._parameters, free_raw_data=False).construct()
        with warnings.catch_warnings():  # that the raw data are not there, which nothing reads
            warnings.simplefilter("ignore")
            data.add_features_from(extra)
        return data

    def _outputs(self, trees: BoostedTrees | SummedTrees, vectors: NDArray[np.float32]) -> Floats:
        """`[documents x copies]`, or with a column for each of several outputs, what the trees give so far."""
        outputs, begin = [], 0
        for block in map(self._load, range(len(self._sizes))):
            end = begin + len(block) * self._copies
            outputs.append(trees.scores(np.hstack([np.repeat(block, self._copies, axis=0), vectors[begin:end]])))
            begin = end
        return np.concatenate(outputs)


def _read_in_blocks(lightgbm: Any, load: Callable[[int], NDArray[np.float32]], sizes: Sequence[int]) -> list[Any]:
    """What LightGBM reads rows from without having all of them in memory; the arguments are those of `TreeGrower`."""
    latest: dict[int, NDArray[np.float32]] = {}

    class Block(lightgbm.Sequence):
        """The rows of a block, which stays in memory until another one is read."""

        batch_size = max(sizes, default=1)

        def __init__(self, number: int) -> None:
            self._number = number

        def __len__(self) -> int:
            return sizes[self._number]

        def __getitem__(self, rows: Any) -> Floats:
            if self._number not in latest:
                latest.clear()
                latest[self._number] = load(self._number)
            found: Floats = latest[self._number][rows].astype(np.float64)
            return found

    return [Block(number) for number in range(len(sizes))]
