"""A scorer reads arrays as the task reads files and frames: every base ranker, further columns, missing values, categories."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

import moft_ltr
from moft.api import BoostedTrees, SummedTrees

pytest.importorskip("lightgbm")

TREES = {"name": "cos-dpo-trees", "trees": 4, "redraw": 2, "draws": 2, "grow": {"leaves": 5, "items": 1}}
SMALL = {"name": "lambdamart", "trees": 5, "items": 2, "leaves": 4}
NEURAL = {"name": "neural", "epochs": 1, "width": 8, "layers": 1}


def check_scores(run, data, frames, dial=1.0):
    """The scores of a file or frame, query by query from arrays."""
    weights = {run.names[0]: 0.25, run.names[1]: 0.75}
    scorer = run.scorer(weights, dial=dial)
    found = np.concatenate([scorer(features) for features in frames(scorer)])
    np.testing.assert_allclose(found, run.scores(data, weights, dial=dial), rtol=0, atol=2e-6)
    lists, together = list(frames(scorer)), run.batch_scorer()
    mixed = [[place / (len(lists) - 1), 1 - place / (len(lists) - 1)] for place in range(len(lists))]
    scores = together(lists, run.tradeoffs([(row, dial, "") for row in mixed]))
    assert np.concatenate(scores).tolist() == list(run.scores(data, mixed, dial=dial))
    return scorer


@pytest.mark.parametrize(
    "method", ["cos-dpo", "dpo-soup", TREES, TREES | {"form": "sum"}, TREES | {"betas": "dirichlet"}], ids=str
)
@pytest.mark.parametrize("base", [{"name": "scores", "column": 8}, NEURAL, SMALL], ids=lambda base: base["name"])
def test_every_base_and_method_on_a_file(run, task, lists, method, base):
    given = run(task(base=base), method)
    data = moft_ltr.data.dataset.open_dataset(lists / "test.txt", given.task._context.cache)

    def arrays(scorer):
        columns = [int(name.removeprefix("column_")) - 1 for name in scorer.features]
        return np.split(np.array(data.features[:, columns]), data.offsets[1:-1])

    scorer = check_scores(given, lists / "test.txt", arrays, dial=0.5)
    assert given.batch_scorer().base_scores == ("column_8" if base["name"] == "scores" else None)
    is_joined = isinstance(getattr(given.policy, "model", None), BoostedTrees | SummedTrees) and base is SMALL
    assert (scorer._continued is not None) == is_joined
    if is_joined:  # then one call may hold many queries
        apart = [scorer(features) for features in arrays(scorer)]
        assert np.array_equal(scorer(np.concatenate(arrays(scorer))), np.concatenate(apart))


@pytest.mark.parametrize("method", ["cos-dpo", TREES], ids=str)
@pytest.mark.parametrize("kind", ["scores", "lambdamart", "lightgbm", "lightgbm-linear", "lightgbm-forest"])
def test_tables_with_missing_values_and_categories(run, task, shop, shop_base, method, kind):
    base = SMALL if kind == "lambdamart" else shop_base(kind)
    objectives = {"clicks": {"column": "clicks"}, "dwell": {"column": "dwell"}}
    built = task(data=shop, base=base, objectives=objectives, main={"column": "grade"}, features=["lost", "brand", "a"])
    given, test = run(built, method), pd.read_parquet(shop / "test.parquet")

    def arrays(scorer):
        assert scorer.categories == {"brand": ("x", "y")}
        numbers = test.assign(brand=[scorer.categories["brand"].index(b) if b in ("x", "y") else np.nan for b in test.brand])
        return np.split(numbers[list(scorer.features)].to_numpy(), len(test) // 5)

    scorer = check_scores(given, test.drop(columns=["clicks", "dwell", "grade"]), arrays)
    further = ("b",) if kind.startswith(("scores", "lightgbm")) else ()
    assert scorer.features == ("lost", "brand", "a", *further)
    unknown = np.array([[0.5, 7.0, 0.5, 0.5], [0.5, np.nan, 0.5, 0.5]])[:, : len(scorer.features)]
    first, second = scorer(unknown)
    assert torch.tensor(first).isclose(torch.tensor(second))


@pytest.mark.parametrize("kind", ["scores", "lightgbm"])
def test_examples_are_the_first_validation_queries_as_a_scorer_reads_them(run, task, shop, shop_base, kind):
    objectives = {"clicks": {"column": "clicks"}, "dwell": {"column": "dwell"}}
    given = run(task(data=shop, base=shop_base(kind), objectives=objectives, main={"column": "grade"}), "cos-dpo")
    scorer = given.scorer([0.5, 0.5])
    first, second = given.task.example_queries(2)
    assert (first.name, second.name, first.features) == ("0", "1", scorer.features)
    found = np.concatenate([scorer(first.rows), scorer(second.rows)])
    validation = pd.read_parquet(shop / "vali.parquet").drop(columns=["clicks", "dwell", "grade"])
    np.testing.assert_allclose(found, given.scores(validation, [0.5, 0.5])[:10], rtol=0, atol=2e-6)
