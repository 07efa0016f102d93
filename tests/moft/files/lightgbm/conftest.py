"""A LightGBM model with every kind of split."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from moft.files.lightgbm.model_text import parse_lightgbm


@pytest.fixture
def grown() -> Callable[..., tuple[str, np.ndarray]]:
    """Trees over two numbers, one with missing values, a column of categories, and a number and a category after them."""
    lightgbm = pytest.importorskip("lightgbm")

    def made(**settings):
        draws = np.random.default_rng(0)
        rows = draws.standard_normal((600, 5))
        rows[draws.random(600) < 0.2, 1] = np.nan
        rows[:, 2] = draws.integers(0, 6, 600)
        rows[draws.random(600) < 0.2, 3] = np.nan
        rows[:, 4] = draws.integers(0, 40, 600)
        target = rows[:, 0] * np.nan_to_num(rows[:, 3], nan=2) + (rows[:, 2] == 3) + (rows[:, 4] % 3) * np.isnan(rows[:, 1])
        given = {"num_leaves": 15, "min_data_in_leaf": 3, "verbosity": -1, "num_threads": 1, "seed": 1, **settings}
        booster = lightgbm.train(given, lightgbm.Dataset(rows, target, categorical_feature=[2, 4]), 12)
        return parse_lightgbm(booster.model_to_string()).text, rows

    return made


@pytest.fixture
def scores() -> Callable[[str, np.ndarray], np.ndarray]:
    """Raw scores of rows, from the text of a model."""
    lightgbm = pytest.importorskip("lightgbm")
    return lambda text, rows: lightgbm.Booster(model_str=text).predict(rows, raw_score=True, num_threads=1)
