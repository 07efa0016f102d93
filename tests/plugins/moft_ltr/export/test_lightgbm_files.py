"""Plain LightGBM gives the scores of the run, with the weights as last columns, frozen, or as a sum of several models."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from moft import ConfigError
from moft_ltr.export.exported_policy import exported_policy
from moft_ltr.export.lightgbm_files import BASE, lightgbm_models

lightgbm = pytest.importorskip("lightgbm")

TREES = {"name": "cos-dpo-trees", "trees": 6, "redraw": 2, "draws": 2, "grow": {"leaves": 6, "items": 1}}
SMALL = {"name": "lambdamart", "trees": 5, "items": 2, "leaves": 4}
ROWS = np.random.default_rng(1).standard_normal((200, 8)).astype(np.float32) * 2


def models(run, weights=None, dial=1.0, frozen_dial=None):
    """Boosters by name, whose names of features are those of the text."""
    reader, tradeoff = run.task.array_reader(), None if weights is None else run.tradeoff(weights, frozen_dial)
    texts = lightgbm_models(exported_policy(run, tradeoff), reader, reader.base(), run.names, dial)
    return {name: lightgbm.Booster(model_str=text) for name, text in texts.items()}


@pytest.mark.parametrize("dial", [1.0, 2.5])
def test_the_last_columns_are_the_weights(run, task, dial):
    given = run(task(base=SMALL), TREES)
    (booster,) = models(given, dial=dial).values()
    assert booster.feature_name() == [*(f"column_{number}" for number in range(1, 9)), "weight_first", "weight_second"]
    for weights in torch.rand(5, generator=torch.Generator().manual_seed(0)):
        at = [float(weights), 1 - float(weights)]
        found = booster.predict(np.hstack([ROWS, np.tile(np.float32(at), (len(ROWS), 1))]))
        np.testing.assert_allclose(found, given.scorer(at, dial=dial)(ROWS), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    "method", [TREES, TREES | {"form": "sum"}, TREES | {"betas": "dirichlet"}, {"name": "lightgbm-ls", "points": 3}], ids=str
)
@pytest.mark.filterwarnings("ignore:Weights")
def test_one_tradeoff_has_no_columns_of_weights(run, task, method):
    given = run(task(base=SMALL), method)
    for weights, dial in (([0.3, 0.7], 1.0), ([1.0, 0.0], 3.0)):
        (booster,) = models(given, ",".join(map(str, weights)), frozen_dial=str(dial)).values()
        assert booster.num_feature() == 8
        np.testing.assert_allclose(booster.predict(ROWS), given.scorer(weights, dial=dial)(ROWS), rtol=1e-6, atol=1e-6)


def test_a_sum_has_a_model_for_each_term(run, task):
    given = run(task(base=SMALL), TREES | {"form": "sum"})
    found = models(given, dial=2.0)
    assert list(found) == [BASE, "objective-first", "objective-second"]
    terms = {name: booster.predict(ROWS) for name, booster in found.items()}
    scores = terms[BASE] + 0.2 * terms["objective-first"] + 0.8 * terms["objective-second"]
    np.testing.assert_allclose(scores, given.scorer([0.2, 0.8], dial=2.0)(ROWS), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", ["categories", "linear", "forest"])
def test_a_base_with_other_codes_linear_leaves_or_averages(run, task, shop, tmp_path, kind):
    train = pd.read_parquet(shop / "train.parquet")
    extra = {"linear": {"linear_tree": True}, "forest": {"boosting": "rf", "bagging_fraction": 0.5, "bagging_freq": 1}}
    settings = {"verbosity": -1, "num_threads": 1, "min_data_in_leaf": 2, "num_leaves": 4, **extra.get(kind, {})}
    train["brand"] = train.brand.cat.set_categories(["z", "y", "x"])
    columns = ["brand", "b", "a"] if kind == "categories" else ["b", "lost"]
    made = lightgbm.train(settings, lightgbm.Dataset(train[columns], train.grade), num_boost_round=3)
    made.save_model(tmp_path / "model.txt")
    objectives = {"clicks": {"column": "clicks"}, "dwell": {"column": "dwell"}}
    settings = {"objectives": objectives, "main": {"column": "grade"}, "features": ["lost", "brand", "a"]}
    built = task(data=shop, base={"name": "lightgbm", "path": str(tmp_path / "model.txt")}, **settings)
    given = run(built, TREES)
    (booster,) = models(given).values()
    assert booster.feature_name() == ["lost", "brand", "a", "b", "weight_clicks", "weight_dwell"]
    draws = np.random.default_rng(0)
    rows = draws.standard_normal((100, 4)).astype(np.float32)
    rows[draws.random(100) < 0.3, 0], rows[:, 1] = np.nan, draws.choice([0, 1, 7, np.nan], 100)
    found = booster.predict(np.hstack([rows, np.tile([0.25, 0.75], (100, 1))]))
    np.testing.assert_allclose(found, given.scorer([0.25, 0.75])(rows), rtol=1e-6, atol=2e-6)


@pytest.mark.parametrize(
    ("base", "method", "told"),
    [
        ({"name": "scores", "column": 8}, TREES, "the base scores of this run come from a column of the data, which a LightGBM"),
        ({"name": "neural", "epochs": 1, "width": 8, "layers": 1}, TREES, "come from a network, .*; use --as onnx"),
        (SMALL, TREES | {"betas": "dirichlet"}, "trained on betas that vary, .* use --as onnx, or give --weights"),
        (SMALL, {"name": "lightgbm-ls", "points": 3}, "has several models, of which an export has one: give --weights"),
    ],
    ids=str,
)
def test_what_cannot_be_one_model_is_refused(run, task, base, method, told):
    with pytest.raises(ConfigError, match=told):
        models(run(task(base=base), method))


def test_a_ranker_of_a_grid_needs_no_base_at_the_dial_of_training(run, task):
    given = run(task(base={"name": "scores", "column": 8}), {"name": "lightgbm-ls", "points": 3})
    (booster,) = models(given, "0.5,0.5").values()
    np.testing.assert_allclose(booster.predict(ROWS), given.scorer([0.5, 0.5])(ROWS), rtol=1e-6, atol=1e-6)
    with pytest.raises(ConfigError, match="come from a column of the data"):
        models(given, "0.5,0.5", frozen_dial="2")
