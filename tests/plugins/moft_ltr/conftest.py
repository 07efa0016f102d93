"""Small ranking data for the tests of the ranking task."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from moft.config.build_component import resolve
from moft.engine.fronts.measure_front import problem_without_validation
from moft.engine.training.trainer import AccelerateTrainer
from moft.engine.training.trainer_settings import TrainerSettings
from moft.interfaces import Context, Method, Policy, Task
from moft.run.folder.run_folder import RunFolder
from moft.run.policy.open_run import OpenedRun
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


@pytest.fixture
def run(plugins, tmp_path) -> Callable[..., OpenedRun]:
    """Trains a policy of a task, and gives it as an opened run without files."""

    def made(built: LTR, method: object) -> OpenedRun:
        trainer = AccelerateTrainer(TrainerSettings(epochs=1, device="cpu", evaluations=0), seed=0)
        built.prepare(trainer)
        problem = problem_without_validation(built)
        chosen = resolve(Factory[Method[Policy]], method, plugins).make()()
        policy = chosen.policy(problem)
        chosen.train(policy, problem, trainer)
        return OpenedRun(RunFolder(tmp_path / "run"), None, built, policy.eval())

    return made


@pytest.fixture
def shop(tmp_path) -> Path:
    """A folder with a table for each split, with missing values and categories."""
    for split, lists in (("train", 20), ("vali", 6), ("test", 6)):
        draws = np.random.default_rng(lists)
        count = lists * 5
        brand = pd.Categorical(draws.choice(["x", "y", None], count), categories=["x", "y"])
        lost = np.where(draws.random(count) < 0.3, np.nan, draws.standard_normal(count))
        frame = pd.DataFrame({"query": np.repeat(np.arange(lists), 5), "a": draws.standard_normal(count)})
        frame["lost"], frame["brand"] = lost, brand
        frame["b"], frame["grade"] = draws.standard_normal(count), ((frame.a > 0) + 2.0 * (frame.brand == "x")).astype(float)
        frame["clicks"], frame["dwell"] = (frame.a > frame.b).astype(float), (frame.lost > 0).astype(float)
        frame.to_parquet(tmp_path / f"{split}.parquet")
    return tmp_path


FURTHER = {
    "lightgbm-forest": {"boosting": "rf", "bagging_fraction": 0.5, "bagging_freq": 1},
    "lightgbm-linear": {"linear_tree": True},
    "lightgbm-zeros": {"zero_as_missing": True},
}


@pytest.fixture
def shop_base(shop, tmp_path) -> Callable[[str], dict[str, object]]:
    """Settings of a base ranker for the tables of `shop`: `scores`, or `lightgbm` and its kinds, whose model is trained."""

    def made(kind: str) -> dict[str, object]:
        if kind == "scores":
            return {"name": "scores", "column": "b"}
        lightgbm = pytest.importorskip("lightgbm")
        train = pd.read_parquet(shop / "train.parquet")
        columns = ["brand", "b", "a"] if kind == "lightgbm" else ["b", "lost"]
        settings = {"verbosity": -1, "num_threads": 1, "min_data_in_leaf": 2, "num_leaves": 4, **FURTHER.get(kind, {})}
        model = lightgbm.train(settings, lightgbm.Dataset(train[columns], train.grade), num_boost_round=3)
        model.save_model(tmp_path / "model.txt")
        return {"name": "lightgbm", "path": str(tmp_path / "model.txt")}

    return made
