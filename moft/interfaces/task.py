"""The interface of tasks, which supply lists, labels and the base model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from moft.interfaces.model import Model
from moft.interfaces.process_group import ModuleT, ProcessGroup, SingleProcess
from moft.interfaces.trainer import Trainer
from moft.types import Batch, Batches, FeatureTable, Inputs, ModelSpec, Nouns, Objective, ReferenceTrees


@dataclass(frozen=True)
class Context:
    """What the engine gives a task to work with.

    Args:
        device: where data and models live.
        seed: the run's seed; a task derives its own generators from it.
        cache: a folder for what is costly to compute again.
        process_group: the processes that share the run.
    """

    device: torch.device
    seed: int
    cache: Path
    process_group: ProcessGroup = field(default_factory=SingleProcess)

    def placed(self, module: ModuleT) -> ModuleT:
        """`module` on the device; of a sharded model, a part on the device of each process."""
        return self.process_group.sharded(module) if self.process_group.is_sharding else module.to(self.device)


class Task(Protocol):
    """Where lists come from and what model scores them. Built with a `Context` left of its star."""

    objectives: tuple[Objective, ...]
    main: Objective | None
    nouns: Nouns
    """What messages and results call lists and items, such as `Nouns("query", "document")`."""

    def prepare(self, trainer: Trainer) -> None:
        """Learns from the training split what comes before any policy, such as feature scaling and the base model."""
        ...

    def state(self) -> Mapping[str, Tensor]:
        """What was learned before the policy, to be saved beside it."""
        ...

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Loads a saved `state` instead of `prepare`; needs no training data."""
        ...

    def model(self, tradeoff_size: int) -> Model:
        """A fresh model to tune, drawn from the global generator that the engine has seeded."""
        ...

    def batches(self, split: str, generator: Generator | None = None) -> Batches:
        """One pass over a split (`train`, `validation` or `test`), in an order drawn from `generator`, or in a fixed one."""
        ...

    def read(self, path: Path) -> Batches:
        """The lists of a file, to be scored; labels may be absent there."""
        ...

    def identity(self) -> Mapping[str, Any]:
        """What identifies data and base model: content hashes, sizes, the split, the reference."""
        ...


@dataclass(frozen=True)
class ConfigRequest:
    """What a user gave `moft new config` to start from.

    Args:
        data: a file, a folder or a name, as typed.
        labels: columns or names of labels by objective, as typed; empty where the data has to say.
        model: of the base model, a file, a folder or a name, as typed; None where none was given.
        cache: moft's cache folder, where fetched data and models are.
        settings: settings of the task that say how the data is read, such as the column of ids; the config has them, too.
    """

    data: str
    labels: Mapping[str, str]
    model: str | None
    cache: Path
    settings: Mapping[str, Any] = field(default_factory=dict)


@runtime_checkable
class WritesStartingConfig(Protocol):
    """A task class that writes a config to start from; `moft new config` asks it by the task's name."""

    @classmethod
    def starting_config(cls, request: ConfigRequest) -> str:
        """The text of a config, with comments, that trains on the data as it is.

        Raises:
            ConfigError: the request has something that the task cannot use.
            DataError: the data cannot be read or trained on.
        """
        ...


@dataclass(frozen=True)
class InputCheck:
    """What a task found when it looked at its files before training.

    Args:
        unchecked: what only reading all the data would show, in sentences for the user, such as "lists.jsonl: only its first
            1,000 prompts were looked at."
        sample: some training lists, for methods that try their losses on the labels; scores may be zeros, and `inputs` empty.
            None where there are none to look at yet.
    """

    unchecked: tuple[str, ...] = ()
    sample: Batch | None = None


@runtime_checkable
class ChecksInputs(Protocol):
    """A task that can tell from a look at its files what `prepare` would refuse.

    `moft train` calls it first, and so do `moft train --plan` and `moft config check`.
    """

    def check_inputs(self) -> InputCheck:
        """Checks the data and the base model as far as a second or two allows: kinds of files, headers, names, the first lists.

        It trains nothing and leaves the task as it was. Small files may be read whole, and the cache may be filled.

        Raises:
            ConfigError: as `prepare` would.
            DataError: as `prepare` would.
        """
        ...


@runtime_checkable
class ProvidesFeatures(Protocol):
    """A task whose items have features in columns, which methods with trees read as they are."""

    def feature_table(self) -> FeatureTable:
        """The columns of the features. Batches that are asked for afterwards have the input `table`.

        It is `[batch, list, features]` float32: numbers as they are in the data, NaN where one is missing, codes of categories.

        Raises:
            DataError: it depends on data that are missing.
        """
        ...


@runtime_checkable
class ReadsFrames(Protocol):
    """A task that scores lists in memory, which a user passes to `scores` of a run instead of a path."""

    def read_frame(self, frame: object) -> Batches:
        """The lists of a frame, such as a DataFrame; labels may be absent there.

        Raises:
            DataError: it is none, or has an error; the message has the row and column.
        """
        ...


@dataclass(frozen=True)
class ArrayReader:
    """Reads one list at a time from an array, with as little work as possible for each.

    Args:
        features: names of the columns of the array; the first ones are those of the task's feature table, if it provides one.
        categories: by name of a column of categories, what the codes 0, 1, ... stand for.
        read: an array `[list, features]` float32 to the inputs of a batch of this list alone, and its reference, `[1, list]`.
        trees: where the reference comes from, if these are trees that read the array as it is.
        read_lists: arrays of several lists to batches of them, numbered in their order, as of a file with these lists alone; None
            where only one list at a time is read.
        base_scores: name of the column with the scores of a base model that is outside; None where it is inside.
    """

    features: tuple[str, ...]
    categories: Mapping[str, tuple[str | int, ...]]
    read: Callable[[NDArray[np.float32]], tuple[Inputs, Tensor]]
    trees: ReferenceTrees | None = None
    read_lists: Callable[[Sequence[NDArray[np.float32]]], Batches] | None = None
    base_scores: str | None = None


@runtime_checkable
class ReadsArrays(Protocol):
    """A task that reads lists from arrays in memory, for the scorer of a run."""

    def array_reader(self) -> ArrayReader:
        """What reads them; the policy of the run is built."""
        ...


@runtime_checkable
class KnowsModelSpec(Protocol):
    """A task that knows its model before anything is trained, so that a method can be checked against it."""

    def model_spec(self, tradeoff_size: int) -> ModelSpec:
        """The spec of the model that `model(tradeoff_size)` will give, without `prefix_starts`; loads no weights.

        Raises:
            DataError: it depends on data that are missing.
        """
        ...
