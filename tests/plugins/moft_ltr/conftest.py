"""Small ranking data for the tests of the ranking task."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from moft.config.build_component import resolve
from moft.engine.training.trainer import AccelerateTrainer
from moft.engine.training.trainer_settings import TrainerSettings
from moft.interfaces import Context, Task
from moft.setting_types import Factory
from moft_ltr.data.dataset import Dataset, open_dataset
from moft_ltr.data.splits import QuerySubset
from moft_ltr.task import LTR


@pytest.fixture
def data_of(tmp_path) -> Callable[..., Dataset]:
    """Opens lists given as rows `(relevance, qid, columns...)`."""

    def made(*rows, name="data.txt") -> Dataset:
        text = "".join(
            f"{row[0]} qid:{row[1]} " + " ".join(f"{column}:{value}" for column, value in enumerate(row[2:], start=1)) + "\n"
            for row in rows
        )
        (tmp_path / name).write_text(text)
        return open_dataset(tmp_path / name, tmp_path / "cache")

    return made


@pytest.fixture
def whole() -> Callable[[Dataset], QuerySubset]:
    """Every list of a data set."""
    return lambda data: QuerySubset(data, np.arange(len(data)))


@pytest.fixture
def task(plugins, lists, tmp_path) -> Callable[..., LTR]:
    """Builds the task over `lists` as a config would; nothing is trained for its scores unless a base is given."""

    def built(*, seed=0, data: Path = lists, **settings) -> LTR:
        given = {
            "name": "ltr",
            "data": str(data),
            "objectives": {"first": {"column": 9}, "second": {"column": 10}},
            "base": {"name": "scores", "column": 1},
            "width": 8,
            "layers": 1,
            "items_per_batch": 64,
            **settings,
        }
        return resolve(Factory[Task], given, plugins).make()(Context(torch.device("cpu"), seed, tmp_path / "cache"))

    return built


@pytest.fixture
def prepared(task) -> Callable[..., LTR]:
    """As `task`, prepared."""

    def made(**settings) -> LTR:
        built = task(**settings)
        built.prepare(AccelerateTrainer(TrainerSettings(epochs=1, device="cpu"), seed=0))
        return built

    return made
