"""Base scores: the frozen base ranker's score of every document, standardised on the training documents."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from moft import ConfigError, DataError
from moft.api import (
    Injection,
    Inputs,
    ReferenceTrees,
    Trainer,
    TreeModel,
    booster_scores,
    import_lightgbm,
    load_booster,
    parse_lightgbm,
    recode_columns,
    tensor_to_text,
    text_to_tensor,
    tree_scores,
)
from moft_ltr.base.base_ranker import Base, NeuralBase, ScoreColumn, base_weights, network_scores, train_base_ranker
from moft_ltr.base.base_source import BaseSource
from moft_ltr.base.canonical_order import canonical_order
from moft_ltr.base.lambdamart import Documents, LambdaMART, check_leaf_size, train_lambdamart
from moft_ltr.base.lightgbm_model import LightGBMModel, read_model_text
from moft_ltr.base.model_checks import check_against_source, check_columns, check_missing, column_notes, named_columns
from moft_ltr.base.pandas_categories import check_categories, model_categories, with_categories
from moft_ltr.base.score_digits import digit_notes
from moft_ltr.data.columns import column_number
from moft_ltr.data.features.feature_scaling import Floats, feature_blocks, read_column
from moft_ltr.data.features.network_inputs import NetworkInputs
from moft_ltr.data.lists_on_device import ListStore
from moft_ltr.data.splits import QuerySubset
from moft_ltr.network.list_transformer import Ranker

STRICT = "booster.strict"
"""Marks the state of a run in whose data no zero could be a missing value; files that it scores are checked for it, too."""


class BaseScores:
    """The base ranker, trained or loaded, and the scale of its scores.

    Args:
        base: settings of the base ranker.
        budget: documents of a batch when it scores, padding included.
        inputs: `[features]`, the columns from 0 that the tuned ranker reads.
    """

    def __init__(self, base: Base, budget: int, inputs: NDArray[np.int64]) -> None:
        self._base, self._budget, self._inputs = base, budget, inputs
        self._mean, self._deviation = 0.0, 1.0
        self._weights: dict[str, Tensor] = {}
        self._booster: tuple[Any, TreeModel] | None = None
        self._scoring: tuple[Mapping[str, Tensor], Ranker] | None = None

    def learn(
        self,
        trainer: Trainer,
        stores: Mapping[str, ListStore],
        splits: Mapping[str, Sequence[QuerySubset]],
        *,
        seed: int,
        gain: str,
        labels: Mapping[int, str],
    ) -> None:
        """Trains or loads the base ranker, then measures the scale of its scores on the training documents.

        Args:
            trainer: of the run.
            stores: `train` and `validation`.
            splits: the queries of every split.
            seed: of the run.
            gain: of the main labels in NDCG.
            labels: whose label a column, from 1, is.

        Raises:
            ConfigError: a model would read other columns than those that it was trained on, as far as can be known.
            DataError: all training documents have the same score, one is not finite, or a model's scores are not those of the
                source of the data.
        """
        base, train, validation = self._base, stores["train"], stores["validation"]
        if isinstance(base, NeuralBase):
            network = train_base_ranker(base, trainer, train, validation, budget=self._budget, seed=seed, gain=gain)
            self._weights = {f"base.{name}": value.detach().cpu().clone() for name, value in network.state_dict().items()}
        elif isinstance(base, LightGBMModel):
            for note in self._load(base, splits, labels):
                trainer.note(note)
        elif isinstance(base, LambdaMART):

            def train_once() -> Mapping[str, Tensor]:
                documents = [self._documents(stores[split], splits[split]) for split in ("train", "validation")]
                return {"booster": text_to_tensor(train_lambdamart(base, *documents, budget=self._budget, seed=seed, gain=gain))}

            self._weights = dict(trainer.once("base", train_once))
        elif isinstance(base, ScoreColumn):
            for note in self._digit_notes(base, splits):
                trainer.note(note)
        raw = self._raw_scores(train, splits["train"])
        if not (finite := raw.isfinite()).all():
            raise DataError(
                f"[task.base] a training document has the base score {raw[~finite][0].item()}, which is not a finite number; "
                "the base ranker is damaged. One that the run trained is in its folder checkpoints/base/finished; remove that to "
                "train it again."
            )
        self._fit_scale(raw)

    def check(
        self,
        stores: Mapping[str, ListStore],
        splits: Mapping[str, Sequence[QuerySubset]],
        labels: Mapping[int, str],
        *,
        are_all: bool,
    ) -> None:
        """Checks what can be known of the base ranker before training, as `learn` does.

        Args:
            stores: of every split.
            splits: the queries that they were built from.
            labels: whose label a column, from 1, is.
            are_all: whether these are all queries of the data.

        Raises:
            ConfigError: its package is missing, or it takes other columns.
            DataError: its file is missing, damaged or of another kind, or it cannot score the data.
        """
        base, train = self._base, splits["train"]
        if isinstance(base, LambdaMART):
            import_lightgbm()
            if are_all:
                check_leaf_size(base, len(stores["train"].labels))
        elif isinstance(base, LightGBMModel):
            self._load(base, splits, labels, are_all=are_all)
        elif isinstance(base, ScoreColumn):
            self._digit_notes(base, splits)
        if not isinstance(base, NeuralBase | LambdaMART):
            raw = self._raw_scores(stores["train"], train)
            if are_all:
                self._fit_scale(raw)

    def state(self) -> dict[str, Tensor]:
        """Tensors for `restore`."""
        scale = torch.tensor([self._mean, self._deviation], dtype=torch.float64)
        return {"reference": scale, **self._weights}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Restores a saved state."""
        self._mean, self._deviation = state["reference"].tolist()
        self._weights = {name: value for name, value in state.items() if name.startswith(("base.", "booster"))}

    def fill(self, store: ListStore, parts: Sequence[QuerySubset]) -> None:
        """Writes the base scores into the store that was built from `parts`.

        Raises:
            DataError: one is too far from those of the training documents, or has no 32-bit number.
        """
        raw = self._raw_scores(store, parts)
        store.reference.copy_((raw - self._mean) / self._deviation)
        if not torch.isfinite(store.reference).all():
            wrong = raw[int(store.reference.isfinite().logical_not().nonzero()[0])].item()
            raise DataError(
                f"{parts[0].data.source}: a document has the base score {wrong:g}, too far from those of the training documents, "
                f"whose mean is {self._mean:g} and standard deviation {self._deviation:g}."
            )

    def _fit_scale(self, raw: Tensor) -> None:
        """Measures the scale of the scores of the training documents, `[items]`."""
        self._mean, self._deviation = raw.mean().item(), raw.std().item()
        if not (raw.max() > raw.min() and self._deviation > 0):
            why = ": the trees never split" if "booster" in self._weights and not len(self._trees()[1].used) else ""
            raise DataError(
                f"[task.base] every training document has the base score {raw[0].item():g}{why}; choose a base ranker that ranks "
                "them."
            )
        if not np.isfinite([self._mean, self._deviation]).all():
            raise DataError(
                f"[task.base] base scores from {raw.min().item():g} to {raw.max().item():g} are too far apart; divide them all "
                "by one number."
            )

    def _raw_scores(self, store: ListStore, parts: Sequence[QuerySubset]) -> Tensor:
        """`[items]`, the base ranker's scores before they are standardised; but for a network on the CPU, with 64 bits."""
        base = self._base
        if isinstance(base, NeuralBase):
            if self._scoring is None or self._scoring[0] is not self._weights:  # it takes longer to build than to score a query
                self._scoring = self._weights, self._network(base, store.network).to(store.labels.device)
            return network_scores(self._scoring[1], store, self._budget)
        if isinstance(base, LightGBMModel | LambdaMART):
            return torch.from_numpy(np.concatenate([self._booster_scores(part) for part in parts]))
        number = [column_number(part.data, base.column, "task.base.column") for part in parts]
        scores = [read_column(part.data.features, part.items, n - 1) for part, n in zip(parts, number, strict=True)]
        return torch.from_numpy(np.concatenate(scores).astype(np.float64))

    def _network(self, base: NeuralBase, inputs: NetworkInputs) -> Ranker:
        with torch.device("meta"):  # an initialisation would draw from the global generator, for nothing
            network = base.network(inputs)
        network.load_state_dict(base_weights(self._weights), assign=True)
        return network

    @property
    def are_outside(self) -> bool:
        """Whether they are a column of the data, and no model of the run gives them."""
        return isinstance(self._base, ScoreColumn)

    def own_columns(self, part: QuerySubset) -> NDArray[np.int64]:
        """`[k]`, the columns, from 0, that a restored base ranker reads of data such as `part`, in its order."""
        if isinstance(self._base, ScoreColumn):
            return np.array([column_number(part.data, self._base.column, "task.base.column") - 1])
        return self._inputs if isinstance(self._base, NeuralBase) else self._model_columns(part)

    def of_arrays(
        self, part: QuerySubset, places: NDArray[np.int64], network: NetworkInputs, device: torch.device
    ) -> tuple[Callable[[Floats, Inputs], Tensor], ReferenceTrees | None]:
        """What gives the base scores, `[1, list]`, of an array `[list, columns]` and its inputs, and the trees that do so.

        Args:
            part: data with the columns that the run was trained on.
            places: `[k]`, the column of the array, from 0, of each of `own_columns`.
            network: what a network reads.
            device: of the scores.
        """
        base, mean, deviation = self._base, self._mean, self._deviation
        if isinstance(base, NeuralBase):
            ranker = self._network(base, network).to(device).eval()
            return lambda _, inputs: ((ranker(inputs, Injection()) - mean) / deviation).float(), None

        def standardised(raw: NDArray[Any]) -> Tensor:
            return torch.from_numpy((raw.astype(np.float64) - mean) / deviation).float().to(device).unsqueeze(0)

        if isinstance(base, ScoreColumn):
            return lambda rows, _: standardised(rows[:, places[0]]), None
        booster, model = self._trees()
        values = model_categories(model, part.data.facts, self.own_columns(part))
        trees = ReferenceTrees(model.text, tuple(places.tolist()), 1 / deviation, -mean / deviation)

        if values:
            return lambda rows, _: standardised(booster_scores(booster, with_categories(rows[:, places], values))), None
        raw = tree_scores(model, "[task.base] the LightGBM model")
        return lambda rows, _: standardised(raw(rows[:, places])), trees

    def source(self, part: QuerySubset, places: NDArray[np.int64], network: NetworkInputs) -> BaseSource:
        """Where the scores come from; arguments are those of `of_arrays`.

        Raises:
            ConfigError: the trees have linear leaves that read a column of categories by other codes than those of the data.
        """
        base, mean, deviation = self._base, self._mean, self._deviation
        if isinstance(base, NeuralBase | ScoreColumn):
            found = self._network(base, network).cpu().eval().requires_grad_(False) if isinstance(base, NeuralBase) else None
            return BaseSource(mean, deviation, found)
        _, model = self._trees()
        values = model_categories(model, part.data.facts, self.own_columns(part))
        try:
            text = recode_columns(model.text, {feature: codes[:-1].tolist() for feature, codes in values.items()})
        except ValueError as error:
            raise ConfigError(f"[task.base] the LightGBM model cannot be exported: {error}.") from error
        trees = ReferenceTrees(text, tuple(places.tolist()), 1 / deviation, -mean / deviation)
        return BaseSource(mean, deviation, trees=trees)

    def _digit_notes(self, base: ScoreColumn, splits: Mapping[str, Sequence[QuerySubset]]) -> list[str]:
        """Notes on digits that the scores in a column lost; lost ones of a text file are an error."""
        parts = [part for parts in splits.values() for part in parts]
        return [note for part in parts for note in digit_notes(part, column_number(part.data, base.column, "task.base.column"))]

    def _documents(self, store: ListStore, parts: Sequence[QuerySubset]) -> tuple[Documents, Tensor]:
        """The unscaled inputs and main labels of every document of `parts`, in an order that is not that of the file."""
        main, begin, blocks = store.main.cpu().numpy(), 0, []
        labels, lengths, weights = [], [], []
        each = None if store.side.relative is None else store.side.relative.repeat_interleave(store.lengths).numpy()
        for part in parts:
            items, own = part.items, main[begin : begin + int(part.offsets[-1])]
            order, sizes = canonical_order(feature_blocks(part.data.features, items, self._inputs), own, np.diff(part.offsets))
            blocks.append(feature_blocks(part.data.features, items[order], self._inputs))
            labels.append(own[order])
            if each is not None:
                weights.append(each[begin : begin + len(items)][order])
            lengths.append(sizes)
            begin += len(items)
        weighted = torch.from_numpy(np.concatenate(weights)) if weights else None
        documents = Documents(chain.from_iterable(blocks), torch.from_numpy(np.concatenate(lengths)), weighted)
        return documents, torch.from_numpy(np.concatenate(labels))

    def _load(
        self,
        base: LightGBMModel,
        splits: Mapping[str, Sequence[QuerySubset]],
        labels: Mapping[int, str],
        *,
        are_all: bool = True,
    ) -> list[str]:
        """Reads a model, checks it on every split, and gives what has to be noted."""
        text = read_model_text(base)
        self._weights = {"booster": text_to_tensor(text)}
        if base.missing == "refuse":
            self._weights[STRICT] = torch.ones(1)
        booster, model = self._trees()
        every = [part for parts in splits.values() for part in parts]
        for part in every:
            columns = self._model_columns(part)
            by_name = named_columns(model, part.data.facts.names) is not None
            named = {name: column for column, name in enumerate(part.data.facts.names, start=1)}
            are_listed = by_name or base.columns is not None
            check_columns(model, columns, labels, {**part.data.labels, **named}, are_listed=are_listed)
        if not every[0].data.facts.is_table:  # else their values are known
            check_categories(model, every, columns, are_all=are_all)
        for part in every:
            if base.missing == "refuse" and not part.data.facts.is_table:
                check_missing(booster, model, part, columns)
            check_against_source(booster, part, columns, model_categories(model, part.data.facts, columns))
        first = every[0].data
        are_named = named_columns(model, first.facts.names) is not None
        return list(column_notes(model, columns, labels, first.labels, are_named=are_named))

    def _trees(self) -> tuple[Any, TreeModel]:
        """The model as LightGBM holds it, and what its file says; both are kept."""
        if self._booster is None:
            model = parse_lightgbm(tensor_to_text(self._weights["booster"].cpu()))
            self._booster = load_booster(model), model
        return self._booster

    def columns_read(self, names: Sequence[str]) -> list[int]:
        """The columns, from 0, that a restored base ranker reads of tables whose columns have `names`, beside the inputs."""
        if isinstance(self._base, ScoreColumn):
            listed: list[int | str] | None = [self._base.column]
        elif isinstance(self._base, LightGBMModel):
            listed = self._base.columns
            named = named_columns(self._trees()[1], names) if listed is None else None
            if named is not None:
                return [int(column) for column in named]
        else:
            listed = None
        numbers = [column - 1 for column in listed or () if isinstance(column, int)]
        return [*numbers, *(names.index(column) for column in listed or () if column in names)]

    def _model_columns(self, part: QuerySubset) -> NDArray[np.int64]:
        """`[features]`, the columns from 0 that the model reads."""
        listed = self._base.columns if isinstance(self._base, LightGBMModel) else None
        names = part.data.facts.names if isinstance(self._base, LightGBMModel) else ()
        if listed is not None:
            numbers = np.array([column_number(part.data, column, "task.base.columns") for column in listed]) - 1
        elif (named := named_columns(self._trees()[1], names, part.data.source)) is not None:
            numbers = named
        else:
            numbers = self._inputs
        expected = len(self._trees()[1].names)
        if expected != len(numbers):
            raise ConfigError(
                f"[task.base.columns] the LightGBM model reads {expected} features, but it gets {len(numbers)} columns; "
                "list its columns in order."
            )
        for number in numbers[(numbers < 0) | (numbers >= part.data.columns)]:  # of which there is none, as a rule
            column_number(part.data, int(number) + 1, "task.base.columns")
        return numbers

    def _booster_scores(self, part: QuerySubset) -> NDArray[np.float64]:
        columns, (booster, model) = self._model_columns(part), self._trees()
        if STRICT in self._weights and not part.data.facts.is_table:
            check_missing(booster, model, part, columns)
        values = model_categories(model, part.data.facts, columns)
        blocks = feature_blocks(part.data.features, part.items, columns)
        return np.concatenate([booster_scores(booster, with_categories(block, values)) for block in blocks])
