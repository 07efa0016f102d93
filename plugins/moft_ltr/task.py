"""The task `ltr`: queries from files and tables, objectives from label columns, reference scores from a base ranker."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
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
    ExampleQuery,
    FeatureTable,
    InputCheck,
    Layers,
    Model,
    ModelSpec,
    NonNegativeCount,
    Nouns,
    PathOrName,
    Trainer,
    Width,
    tensor_to_text,
    text_to_tensor,
)
from moft_ltr.base.array_lists import array_reader, example_queries
from moft_ltr.base.base_ranker import Base, NeuralBase, ScoreColumn
from moft_ltr.base.base_scores import BaseScores
from moft_ltr.base.base_source import RankerReader
from moft_ltr.base.lambdamart import LambdaMART
from moft_ltr.base.score_digits import label_digit_notes
from moft_ltr.data.columns import check_learnable, column_number, input_columns, label_columns, label_owners
from moft_ltr.data.data_notes import id_notes, leak_notes, missing_main_notes, overlap_notes
from moft_ltr.data.dataset import Dataset, data_layout, find_data, frame_dataset, open_dataset
from moft_ltr.data.features.feature_scaling import FeatureScaling, feature_blocks, fit_scaling
from moft_ltr.data.features.network_inputs import NetworkInputs, network_inputs
from moft_ltr.data.first_queries import first_of_each, first_queries, largest_column, list_counts, unread_files
from moft_ltr.data.label_transforms import LabelColumn, MainLabel, main_objective, objective_of
from moft_ltr.data.labelled_lists import LabelSettings, build_store
from moft_ltr.data.lists_on_device import ListStore
from moft_ltr.data.readers.table_columns import Layout, TableColumns, layout_of_text, layout_text
from moft_ltr.data.scored_data import check_scored, no_queries, scored_layout, scored_names
from moft_ltr.data.side_columns import Propensity, SideColumns
from moft_ltr.data.splits import SPLITS, QuerySubset, ShortLists, all_queries, check_folds, check_shares, open_splits
from moft_ltr.metrics.labelless_objectives import check_has_labels
from moft_ltr.network.list_transformer import Ranker, check_heads
from moft_ltr.starting_config import starting_config

STATE = ("columns", "scaling.logarithm", "scaling.mean", "scaling.deviation", "reference")
"""Keys that every saved state has. The base ranker adds keys of its own."""

SAMPLE = 64
"""Training queries whose labels a method may try its losses on before training."""


class LTR:
    """Learning to rank over svmlight files with `qid:`, and tables: Parquet, Arrow, CSV or TSV.

    Args:
        data: folder with one file, table, folder of tables or converted folder per split (train, vali, test), or the name of a
            downloaded dataset; with `split` or `folds` also one of these alone.
        objectives: the objectives by name, each with its label column. Label columns are never inputs.
        main: the main objective, which the base ranker is trained for; null when the data has no such label.
        base: where the base scores come from: `neural` trains a network on the main objective, `lambdamart` trains trees on it,
            `scores` reads a column, `lightgbm` reads a model file.
        parametrization: `augmentation` learns a correction to the base score and starts exactly there; `scratch` learns
            scores from scratch.
        width: hidden size of the ranker.
        layers: transformer layers of the ranker; the time grows in proportion.
        heads: attention heads of the ranker; divides `width`.
        exclude: columns, by number from 1 or by name, that are not inputs. Labels that the data names itself are excluded anyway.
            Of tables, columns that are excluded by name are not read.
        features: columns, by number from 1 or by name, that are inputs; null for all that are neither labels nor excluded.
        labels: columns, by number from 1 or by name, that are labels, but not of an objective; they are not inputs.
        query: column of query ids in tables, integers or texts; null for `query`, `query_id` or `qid`.
        item: column of document ids in tables; null for `item`, `item_id`, `doc_id` or `document_id`, if one is there.
        categorical: columns of tables that hold categories, integers or texts, beside those whose type says so.
        split: how one file or table is split: a column with the split of each query (train, validation or test), or the share
            of the queries of each, such as `{train: 0.8, validation: 0.1, test: 0.1}`, dealt by a hash of their ids; null where
            each split has its own file.
        folds: null uses the splits as they are; a number pools all queries, sorts them by qid and deals them into that many
            folds.
        fold: the fold, from 0, that is the test split; the next one is the validation split.
        items_per_batch: documents of a batch, padding included; a larger value makes fewer and larger steps.
        short_lists: what to do with queries of one document: `refuse` them with an error, or `drop` them.
        query_weight: column, from 1 or by its name in the data, of how much each query counts in losses, means and intervals; the
            same number, 0 or more, for all documents of a query. Null counts all queries the same.
        segment: column of the part of the data that a query belongs to, the same for all its documents; the report shows the
            metrics of each part.
        attributes: columns, from 1 or by their names in the data, that losses and metrics read, such as `exposure`, each under a
            name of yours. They are inputs, too, unless they are in `exclude`.
        propensity: how likely documents were to be seen, whose inverse weights their labels in losses and metrics; null for none.
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
        width: Width = 64,
        layers: Layers = 2,
        heads: Width = 2,
        exclude: list[int | str] | None = None,
        features: list[int | str] | None = None,
        labels: list[int | str] | None = None,
        query: str | None = None,
        item: str | None = None,
        categorical: list[str] | None = None,
        split: str | dict[str, float] | None = None,
        folds: Count | None = None,
        fold: NonNegativeCount = 0,
        items_per_batch: Count = 2048,
        short_lists: ShortLists = "refuse",
        query_weight: int | str | None = None,
        segment: int | str | None = None,
        propensity: Propensity | None = None,
        attributes: dict[str, int | str] | None = None,
    ) -> None:
        if not objectives:
            raise ConfigError("[task.objectives] is empty; name at least one objective, such as clicks: {column: 134}.")
        check_heads(heads, width)
        if main is None and isinstance(base, NeuralBase | LambdaMART):
            raise ConfigError(
                f"[task.base] {base.name!r} is trained on the main objective, but task.main is null; use 'scores' or 'lightgbm'."
            )
        self._context, self._data, self._columns, self._base, self._main = context, data, objectives, base, main
        self._is_augmentation = parametrization == "augmentation"
        self._width, self._layers, self._heads = width, layers, heads
        self._exclude, self._features, self._further = exclude or [], features, labels or []
        self._shares = check_shares(split) if isinstance(split, dict) else None
        excluded = tuple(name for name in self._exclude if isinstance(name, str))
        by_column = split if isinstance(split, str) else None
        self._table = TableColumns(query, item, by_column, tuple(categorical or ()), excluded)
        self._layout_of_table: Layout | None = None  # of the data that it was trained on
        self._folds, self._fold, self._budget, self._short_lists = folds, fold, items_per_batch, short_lists
        self._side = SideColumns(query_weight, segment, propensity, attributes or {})
        self._side.check(list(objectives))
        for name, label in objectives.items():
            check_has_labels(name, label, self._side.attributes)
        self._splits: Mapping[str, tuple[QuerySubset, ...]] | None = None
        self._stores: dict[str, ListStore] = {}
        self._batch_inputs = {"features"}  # which change with what a policy reads
        self._inputs_seen: int | None = None  # in a look at the data
        self._scaling: FeatureScaling | None = None
        self._inputs = np.zeros(0, dtype=np.int64)
        self._layout = 0  # columns of the data that it was trained on; 0 where a run of version 0.2.0 does not know
        self._base_scores = BaseScores(base, items_per_batch, self._inputs)
        self.objectives = tuple(objective_of(name, label) for name, label in objectives.items())
        self.main = main_objective(main)

    @classmethod
    def starting_config(cls, request: ConfigRequest) -> str:
        return starting_config(request)

    def check_inputs(self) -> InputCheck:
        check_folds(self._folds, self._fold)
        look = copy.copy(self)  # so that this task stays as it was
        unread = unread_files(self._data, self._context.cache)
        if unread:
            scans = [largest_column(path) for path in unread.values()]
            columns = max(column for column, _ in scans)
            if not all(is_whole for _, is_whole in scans):
                columns = max(columns, self._largest_column())  # it may be further down
            look._splits = first_of_each(unread, self._data, self._context.cache, self._short_lists, columns)
        else:
            look._splits = {split: first_queries(parts) for split, parts in self._open_splits().items()}
        train = look._splits["train"]
        labels, look._inputs = self._column_roles(train[0].data)
        look._layout_of_table = data_layout(train[0].data)
        look._scaling = fit_scaling(
            block for part in train for block in feature_blocks(part.data.features, part.items, look._inputs)
        )
        digits = label_digit_notes(look._splits, self._columns, self._main)
        stores = {split: look._build_store(parts) for split, parts in look._splits.items()}
        are_all = not unread and list_counts(look._splits) == list_counts(self._open_splits())
        owners = label_owners(train[0].data, labels)
        BaseScores(self._base, self._budget, look._inputs).check(stores, look._splits, owners, are_all=are_all)
        self._inputs_seen = len(look._inputs)
        sample = stores["train"].batch(torch.arange(min(SAMPLE, len(stores["train"].lengths))))
        if unread:
            files = ", ".join(map(str, unread.values()))
            return InputCheck((f"{files}: only the first lines were read; training reads them all.",), sample)
        if not are_all:
            return InputCheck((f"{self._data}: only the first queries of each split were looked at.",), sample)
        train_store, source = stores["train"], train[0].data.source
        check_learnable(train_store.labels, train_store.lengths, list(self._columns), labels, source, digits)
        return InputCheck(sample=sample)

    def prepare(self, trainer: Trainer) -> None:
        train = self._open_splits()["train"]
        labels, self._inputs = self._column_roles(train[0].data)
        self._layout, self._layout_of_table = train[0].data.columns, data_layout(train[0].data)
        self._scaling = fit_scaling(
            block for part in train for block in feature_blocks(part.data.features, part.items, self._inputs)
        )
        self._base_scores = BaseScores(self._base, self._budget, self._inputs)
        digits = label_digit_notes(self._open_splits(), self._columns, self._main)
        self._stores = {split: self._build_store(self._open_splits()[split]) for split in ("train", "validation")}
        store = self._stores["train"]
        called = {name: train[0].data.column_name(column) for name, column in labels.items()}
        told = check_learnable(store.labels, store.lengths, list(self._columns), called, train[0].data.source, digits)
        for note in (*digits.values(), *told, *missing_main_notes(train, self._main)):
            trainer.note(note)
        count = int(train[0].offsets[-1])
        known = {objective.name: store.labels[:count, index].cpu().numpy() for index, objective in enumerate(self.objectives)}
        for note in (
            *leak_notes(train[0], self._inputs, known, train[0].data.labels),
            *overlap_notes(self._open_splits()),
            *id_notes(self._open_splits()),
        ):
            trainer.note(note)
        gain = "linear" if self.main is None else self.main.gain
        owners, splits = label_owners(train[0].data, labels), self._open_splits()
        self._base_scores.learn(trainer, self._stores, splits, seed=self._context.seed, gain=gain, labels=owners)
        for split, built in self._stores.items():
            self._base_scores.fill(built, self._open_splits()[split])

    def state(self) -> Mapping[str, Tensor]:
        scaling = self._fitted_scaling()
        return {
            "columns": torch.from_numpy(self._inputs),
            "scaling.logarithm": torch.from_numpy(scaling.logarithm),
            "scaling.mean": torch.from_numpy(scaling.mean),
            "scaling.deviation": torch.from_numpy(scaling.deviation),
            **({"scaling.missing": torch.from_numpy(scaling.missing)} if len(scaling.missing) else {}),
            "layout": torch.tensor([self._layout]),
            **({} if self._layout_of_table is None else {"table": text_to_tensor(layout_text(self._layout_of_table))}),
            **self._base_scores.state(),
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        missing = [name for name in STATE if name not in state]
        if missing:
            raise DataError(f"the saved state of the ranking task has no {missing[0]!r}; it belongs to another task.")
        self._inputs = state["columns"].numpy()
        self._layout = int(state["layout"]) if "layout" in state else 0
        table = state.get("table")
        self._layout_of_table = None if table is None else layout_of_text(tensor_to_text(table, "the run's list of columns"))
        empty, (logarithm, mean, deviation) = torch.zeros(0, dtype=torch.int64), (state[name].numpy() for name in STATE[1:4])
        self._scaling = FeatureScaling(logarithm, mean, deviation, state.get("scaling.missing", empty).numpy())
        self._base_scores = BaseScores(self._base, self._budget, self._inputs)
        self._base_scores.restore(state)
        self._stores = {}

    def model(self, tradeoff_size: int) -> Model:
        self._batch_inputs.add("features")
        return self._make_ranker(self._network_inputs(), tradeoff_size).to(self._context.device)

    def feature_table(self) -> FeatureTable:
        self._batch_inputs.add("table")
        if not isinstance(self._base, NeuralBase):
            self._batch_inputs.discard("features")
        layout, columns = self._layout_of_table, self._inputs.tolist()
        if layout is None:
            return FeatureTable(tuple(f"column_{column + 1}" for column in columns))
        names = tuple(layout.names[column] for column in columns)
        return FeatureTable(names, tuple(place for place, name in enumerate(names) if name in layout.categories))

    def model_spec(self, tradeoff_size: int) -> ModelSpec:
        if self._inputs_seen is None:
            self._inputs_seen = len(self._column_roles(self._open_splits()["train"][0].data)[1])
        zeros = np.zeros(self._inputs_seen, dtype=np.float32)  # a spec does not depend on them
        inputs = NetworkInputs(FeatureScaling(zeros.astype(bool), zeros, zeros), np.zeros(0, dtype=np.int64), {})
        with torch.device("meta"):
            return self._make_ranker(inputs, tradeoff_size).spec

    def batches(self, split: str, generator: Generator | None = None) -> Batches:
        if split not in SPLITS:
            raise ConfigError(f"split {split!r} is unknown; available: {', '.join(SPLITS)}.")
        if split not in self._stores:
            parts = self._open_splits()[split]
            self._stores[split] = self._build_store(parts)
            self._base_scores.fill(self._stores[split], parts)
        return self._stores[split].batches(self._budget, generator)

    def read(self, path: Path) -> Batches:
        return self._read(open_dataset(find_data(str(path), self._context.cache), self._context.cache, *self._reading()))

    def read_frame(self, frame: object) -> Batches:
        return self._read(frame_dataset(frame, *self._reading()))

    def array_reader(self) -> RankerReader:
        part = no_queries(self._layout_of_table, len(self._reading()[1].names))
        given = self._inputs, self._network_inputs(), self._batch_inputs, self._context.device
        return array_reader(self._base_scores, part, *given, self._scored)

    def example_queries(self, count: int) -> Sequence[ExampleQuery]:
        return example_queries(self._open_splits()["validation"][0], self.array_reader(), count)

    def _reading(self) -> tuple[TableColumns, Layout]:
        """How tables are read that are only scored."""
        names = () if self._layout_of_table is None else self._layout_of_table.names
        read = (*self._inputs.tolist(), *self._base_scores.columns_read(names))
        return replace(self._table, split=None), scored_layout(self._layout_of_table, self._layout, read)

    def _read(self, data: Dataset) -> Batches:
        """Queries that are only scored, with their names."""
        return replace(self._scored(check_scored(data, self._layout_of_table, self._layout)), **scored_names(data))

    def _scored(self, data: Dataset) -> Batches:
        """Queries that are only scored."""
        store = self._build_store(parts := all_queries(data), is_labelled=False)
        self._base_scores.fill(store, parts)
        return store.batches(self._budget)

    def identity(self) -> Mapping[str, Any]:
        splits = {
            split: {
                "lists": sum(len(part.lists) for part in parts),
                "items": sum(int(part.offsets[-1]) for part in parts),
                "sha256": [part.data.sha256 for part in parts],
            }
            for split, parts in self._open_splits().items()
        }
        dealt: dict[str, Any] | None = None if self._folds is None else {"folds": self._folds, "fold": self._fold}
        if dealt is None and (split := self._shares or self._table.split):
            dealt = {"split": split}
        objectives = {objective.name: {"label": objective.label, "gain": objective.gain} for objective in self.objectives}
        main = None if self.main is None else {"label": self.main.label, "gain": self.main.gain}
        own = {"objectives": objectives, "main": main, "base": self._base.name}
        return {"splits": splits, "dealt": dealt, **own, **self._side.identity()}

    def _network_inputs(self) -> NetworkInputs:
        """What networks read of the inputs."""
        return network_inputs(self._fitted_scaling(), self._inputs, self._layout_of_table)

    def _make_ranker(self, inputs: NetworkInputs, tradeoff_size: int) -> Ranker:
        return Ranker(
            inputs.width,
            categories=inputs.sizes,
            tradeoff_size=tradeoff_size,
            width=self._width,
            layers=self._layers,
            heads=self._heads,
            is_correction=self._is_augmentation,
        )

    def _column_roles(self, data: Dataset) -> tuple[Mapping[str, int], NDArray[np.int64]]:
        """The label columns by setting, and the input columns."""
        labels = label_columns(data, self._columns, self._main)
        base = [self._base.column] if isinstance(self._base, ScoreColumn) else []
        scores = [column_number(data, column, "task.base.column") for column in base]
        for name, column in labels.items():
            if column in scores:
                raise ConfigError(
                    f"[task.base.column] {data.column_name(column)} is the label of {name!r}; name a column of scores that do "
                    "not know it."
                )
        exclude = [*self._exclude, *scores, *self._side.numbers(data).values()]
        return labels, input_columns(data, labels, exclude=exclude, features=self._features, further=self._further)

    def _largest_column(self) -> int:
        """The largest column that the config names by its number."""
        named = [label.column for label in (*self._columns.values(), self._main) if label is not None]
        base = [self._base.column] if isinstance(self._base, ScoreColumn) else getattr(self._base, "columns", None) or []
        given = (*named, *base, *self._exclude, *self._further, *(self._features or ()), *self._side.given())
        return max((column for column in given if isinstance(column, int)), default=0)

    def _open_splits(self) -> Mapping[str, tuple[QuerySubset, ...]]:
        if self._splits is None:
            self._splits = open_splits(
                self._data,
                self._context.cache,
                folds=self._folds,
                fold=self._fold,
                short_lists=self._short_lists,
                columns=self._table,
                shares=self._shares,
            )
        return self._splits

    def _fitted_scaling(self) -> FeatureScaling:
        if self._scaling is None:
            raise ConfigError("the ranking task is not ready; call prepare or restore first.")
        return self._scaling

    def _build_store(self, parts: tuple[QuerySubset, ...], *, is_labelled: bool = True) -> ListStore:
        """The queries of `parts` on the device; their reference scores are still to be filled in."""
        given = self._inputs, self._network_inputs(), self._batch_inputs, LabelSettings(self._columns, self._main, self._side)
        return build_store(parts, *given, self._context.device, is_labelled=is_labelled)
