"""LightGBM models of every kind that a user may bring."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

MODELS: dict[str, dict[str, Any]] = {
    "lambdarank": {},
    "rank_xendcg": {"objective": "rank_xendcg"},
    "regression": {"objective": "regression"},
    "poisson": {"objective": "poisson"},
    "quantile": {"objective": "quantile", "alpha": 0.3},
    "binary": {"objective": "binary"},
    "categories": {"of": {"categorical_feature": [3]}, "min_data_per_group": 5, "cat_smooth": 1},
    "categories-and-missing": {"of": {"categorical_feature": [3]}, "min_data_per_group": 5, "cat_smooth": 1, "lost": True},
    "linear": {"objective": "regression", "linear_tree": True},
    "linear-and-missing": {"objective": "regression", "linear_tree": True, "lost": True},
    "dart": {"boosting": "dart"},
    "rf": {"objective": "binary", "boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6},
    "rf-regression": {"objective": "regression", "boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6},
    "goss": {"data_sample_strategy": "goss"},
    "one-leaf": {"objective": "regression", "min_data_in_leaf": 10**6},
    "missing": {"lost": True},
    "zero-as-missing": {"zero_as_missing": True},
    "monotone": {"objective": "regression", "monotone_constraints": [1, 0, 0, 0, 0, -1]},
    "named": {"of": {"feature_name": ["bm25", "page_rank", "a=b", "caf\u00e9", "f5", "\u2028x"]}},
}


@dataclass(frozen=True)
class Example:
    """A model file's text, the model itself, and rows to score."""

    text: str
    booster: Any
    rows: np.ndarray


def trained(kind: str) -> Example:
    """A small model of one of `MODELS`."""
    lightgbm = pytest.importorskip("lightgbm")
    settings = {"objective": "lambdarank", **MODELS[kind]}
    of, lost = settings.pop("of", {}), settings.pop("lost", False)
    draws = np.random.default_rng(0)
    rows = draws.standard_normal((300, 6)).round(2)
    rows[:, 3], rows[:, 4] = draws.integers(0, 40, 300).astype(float), rows[:, 4] * (rows[:, 4] > 0.5)
    labels = np.clip((rows[:, 0] + rows[:, 1] + rows[:, 3] % 3 + rows[:, 4]).round(), 0, 4)
    if settings["objective"] == "binary":
        labels = labels > 1
    if lost:
        rows = np.where(draws.random(rows.shape) < 0.2, np.nan, rows)
    group = [20] * 15 if "rank" in settings["objective"] else None
    given = {"verbosity": -1, "num_threads": 1, "num_leaves": 7, "min_data_in_leaf": 5, "seed": 0, **settings}
    data = lightgbm.Dataset(rows, labels, group=group, params={"verbosity": -1}, **of)
    booster = lightgbm.train(given, data, num_boost_round=4)
    return Example(booster.model_to_string(), booster, rows)


@pytest.fixture(scope="module")
def example():
    """Gives the model of a kind, which is trained once."""
    kept: dict[str, Example] = {}

    def of(kind: str) -> Example:
        if kind not in kept:
            kept[kind] = trained(kind)
        return kept[kind]

    return of
