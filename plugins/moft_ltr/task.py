"""The ranking task: lists from svmlight files, objectives from label columns, a base ranker to start from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from moft import ConfigError, DataError
from moft.api import (
    Batches,
    ConfigRequest,
    Context,
    Count,
    Default,
    Model,
    ModelSpec,
    NonNegativeCount,
    Nouns,
    Objective,
    PathOrName,
    Trainer,
)
from moft_ltr.base.base_ranker import Base, NeuralBase, ScoreColumn
from moft_ltr.base.base_scores import Reference
from moft_ltr.base.lambdamart import LambdaMART
from moft_ltr.data.columns import check_learnable, input_columns, label_columns, read_labels
from moft_ltr.data.dataset import Dataset, find_data, open_dataset
from moft_ltr.data.feature_scaling import FeatureScaling, blocks_of, learned_scaling
from moft_ltr.data.label_transforms import LabelColumn, MainLabel, in_words
from moft_ltr.data.lists_on_device import ListStore
from moft_ltr.data.splits import SPLITS, Chosen, ShortLists, chosen_whole, open_splits
from moft_ltr.network.list_transformer import Ranker, check_heads
from moft_ltr.starting_config import starting_config

STATE = ("columns", "scaling.logarithm", "scaling.mean", "scaling.deviation", "reference")
"""What a saved state holds; that of a trained or loaded base ranker is beside it."""


class LTR:
    """Learning to rank over svmlight files with `qid:`.

    Args:
        data: folder with one svmlight file or converted folder per split (train, vali, test), or the name of a fetched set.
        objectives: by name, the label columns that are tuned for. They leave the inputs.
        main: what the base ranker is for; null when nothing of the kind is labelled.
        base: where reference scores come from: `neural` trains a network on the main objective, `lambdamart` trees; `scores`
            reads a column, `lightgbm` a model file.
        parametrization: `augmentation` learns a correction to the reference and starts exactly there; `scratch` learns
            scores anew.
        width: hidden size of the ranker.
        layers: its transformer layers; more cost proportionally more.
        heads: its attention heads; divides `width`.
        exclude: further columns, from 1, that are no inputs. Labels that the data names itself are left out anyway.
        features: the columns, from 1, that are inputs; null for all that are neither labels nor excluded.
        folds: null takes the splits as the files are; a number pools all lists, sorts them by qid and deals them into folds.
        fold: which fold, from 0, is the test split; the next one is validation.
        items_per_batch: items of a batch, padding included; more make larger and fewer steps.
        short_lists: `refuse` lists of one item, or `drop` them.
    """

    nouns = Nouns("query", "document")

    def __init__(
        self,
        context: Context,
        *,
        data: PathOrName,
        objectives: dict[str, LabelColumn],
        base: Annotated[Base, Default("neural")],
        main: MainLabel | None = MainLabel(),  # noqa: B008 - a frozen record
        parametrization: Literal["augmentation", "scratch"] = "augmentation",
        width: Count = 64,
        layers: Count = 2,
        heads: Count = 2,
        exclude: list[Count] | None = None,
        features: list[Count] | None = None,
        folds: Count | None = None,
        fold: NonNegativeCount = 0,
        items_per_batch: Count = 2048,
        short_lists: ShortLists = "refuse",
    ) -> None:
        if not objectives:
            raise ConfigError("[task.objectives] names no objective; give at least one, such as clicks: {column: 134}.")
        check_heads(heads, width)
        if main is None and isinstance(base, NeuralBase | LambdaMART):
            raise ConfigError(
                f"[task.base] {base.name!r} is trained on the main objective, and task.main is null; use 'scores' or 'lightgbm'."
            )
        self._context, self._data, self._columns, self._base, self._main = context, data, objectives, base, main
        self._is_augmentation = parametrization == "augmentation"
        self._width, self._layers, self._heads = width, layers, heads
        self._exclude, self._features = exclude or [], features
        self._folds, self._fold, self._budget, self._short_lists = folds, fold, items_per_batch, short_lists
        self._splits: Mapping[str, tuple[Chosen, ...]] | None = None
        self._stores: dict[str, ListStore] = {}
        self._scaling: FeatureScaling | None = None
        self._inputs = np.zeros(0, dtype=np.int64)
        self._reference = Reference(base, items_per_batch, self._inputs)
        self.objectives = tuple(
            Objective(name, label.beta, label.gain, label.loss, f"column {label.column}, {in_words(label.transform)}")
            for name, label in objectives.items()
        )
        self.main = None if main is None else Objective("main", gain=main.gain, label=_main_words(main))

    @classmethod
    def starting_config(cls, request: ConfigRequest) -> str:
        return starting_config(request)

    def prepare(self, trainer: Trainer) -> None:
        train = self._opened()["train"]
        labels, self._inputs = self._told_apart(train[0].data)
        self._scaling = learned_scaling(
            block for part in train for block in blocks_of(part.data.features, part.items, self._inputs)
        )
        self._reference = Reference(self._base, self._budget, self._inputs)
        self._stores = {split: self._built(self._opened()[split]) for split in ("train", "validation")}
        store = self._stores["train"]
        for note in check_learnable(store.labels, store.lengths, list(self._columns), labels, train[0].data.source):
            trainer.note(note)
        gain = "linear" if self.main is None else self.main.gain
        self._reference.learn(trainer, self._stores, self._opened(), seed=self._context.seed, gain=gain)
        for split, built in self._stores.items():
            self._reference.fill(built, self._opened()[split])

    def state(self) -> Mapping[str, Tensor]:
        scaling = self._known_scaling()
        return {
            "columns": torch.from_numpy(self._inputs),
            "scaling.logarithm": torch.from_numpy(scaling.logarithm),
            "scaling.mean": torch.from_numpy(scaling.mean),
            "scaling.deviation": torch.from_numpy(scaling.deviation),
            **self._reference.state(),
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        lacking = [name for name in STATE if name not in state]
        if lacking:
            raise DataError(f"the saved state of the ranking task lacks {lacking[0]!r}; it is another task's.")
        self._inputs = state["columns"].numpy()
        self._scaling = FeatureScaling(*(state[name].numpy() for name in STATE[1:4]))
        self._reference = Reference(self._base, self._budget, self._inputs)
        self._reference.restore(state)
        self._stores = {}

    def model(self, tradeoff_size: int) -> Model:
        return self._ranker(len(self._inputs), tradeoff_size).to(self._context.device)

    def model_spec(self, tradeoff_size: int) -> ModelSpec:
        _, inputs = self._told_apart(self._opened()["train"][0].data)
        with torch.device("meta"):
            return self._ranker(len(inputs), tradeoff_size).spec

    def batches(self, split: str, generator: Generator | None = None) -> Batches:
        if split not in SPLITS:
            raise ConfigError(f"split {split!r} is unknown; splits are {', '.join(SPLITS)}.")
        if split not in self._stores:
            parts = self._opened()[split]
            self._stores[split] = self._built(parts)
            self._reference.fill(self._stores[split], parts)
        return self._stores[split].batches(self._budget, generator)

    def read(self, path: Path) -> Batches:
        parts = chosen_whole(open_dataset(find_data(str(path), self._context.cache), self._context.cache))
        store = self._built(parts, is_labelled=False)
        self._reference.fill(store, parts)
        return store.batches(self._budget)

    def identity(self) -> Mapping[str, Any]:
        splits = {
            split: {
                "lists": sum(len(part.lists) for part in parts),
                "items": sum(int(part.offsets[-1]) for part in parts),
                "sha256": [part.data.sha256 for part in parts],
            }
            for split, parts in self._opened().items()
        }
        dealt = None if self._folds is None else {"folds": self._folds, "fold": self._fold}
        objectives = {objective.name: {"label": objective.label, "gain": objective.gain} for objective in self.objectives}
        main = None if self.main is None else {"label": self.main.label, "gain": self.main.gain}
        return {"splits": splits, "dealt": dealt, "objectives": objectives, "main": main, "base": self._base.name}

    def _ranker(self, features: int, tradeoff_size: int) -> Ranker:
        return Ranker(
            features,
            tradeoff_size=tradeoff_size,
            width=self._width,
            layers=self._layers,
            heads=self._heads,
            is_correction=self._is_augmentation,
        )

    def _told_apart(self, data: Dataset) -> tuple[Mapping[str, int], NDArray[np.int64]]:
        """The columns of the labels, by setting, and those of the inputs."""
        labels = label_columns(data, self._columns, self._main)
        scores = [self._base.column] if isinstance(self._base, ScoreColumn) else []
        return labels, input_columns(data, labels, exclude=[*self._exclude, *scores], features=self._features)

    def _opened(self) -> Mapping[str, tuple[Chosen, ...]]:
        if self._splits is None:
            self._splits = open_splits(
                self._data, self._context.cache, folds=self._folds, fold=self._fold, short_lists=self._short_lists
            )
        return self._splits

    def _known_scaling(self) -> FeatureScaling:
        if self._scaling is None:
            raise ConfigError("the ranking task has neither been prepared nor restored, so its inputs are not known yet.")
        return self._scaling

    def _built(self, parts: tuple[Chosen, ...], *, is_labelled: bool = True) -> ListStore:
        """The store of some lists, its reference scores still to be filled in."""
        scaling, items, device = self._known_scaling(), [part.items for part in parts], self._context.device
        for part in parts:
            if self._inputs.max() >= part.data.columns:
                last = self._inputs.max() + 1
                raise DataError(
                    f"{part.data.source}: has {part.data.columns} columns; the ranker reads columns up to {last}. "
                    f"Where the last ones are all zero, write them out once: {last}:0."
                )
        count, position = sum(map(len, items)), 0
        features = torch.empty(count, len(self._inputs), device=device)
        for part, chosen in zip(parts, items, strict=True):
            for block in blocks_of(part.data.features, chosen, self._inputs):
                features[position : position + len(block)] = torch.from_numpy(scaling(block)).to(device)
                position += len(block)
        labels, main = torch.zeros(count, len(self.objectives)), torch.zeros(count)
        if is_labelled:
            labels, main = read_labels(parts, items, self._columns, self._main)
        lengths = torch.cat([torch.from_numpy(np.diff(part.offsets)) for part in parts])
        qids = torch.cat([torch.from_numpy(part.data.qids[part.lists]) for part in parts])
        return ListStore(
            features=features,
            labels=labels.to(device),
            labelled=is_labelled,
            main=main.to(device),
            reference=torch.zeros(count, device=device),
            starts=lengths.cumsum(0) - lengths,
            lengths=lengths,
            qids=qids,
        )


def _main_words(main: MainLabel) -> str:
    where = "relevance" if main.column is None else f"column {main.column}"
    return f"{where}, {in_words(main.transform)}"
