"""ONNX Runtime gives the scores of the run, from features as they are, for lists and batches of any size and any weights."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from moft_ltr.export.exported_policy import exported_policy
from moft_ltr.export.onnx_file import feature_columns, onnx_model

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")
pytest.importorskip("lightgbm")

TREES = {"name": "cos-dpo-trees", "trees": 4, "redraw": 2, "draws": 2, "grow": {"leaves": 5, "items": 1}}
BASES = {
    "scores": {"name": "scores", "column": 8},
    "lambdamart": {"name": "lambdamart", "trees": 5, "items": 2, "leaves": 4},
    "neural": {"name": "neural", "epochs": 1, "width": 8, "layers": 1},
}


def check(run, table, sizes, tradeoff=None):
    """Compares batches of lists drawn from a table, `[documents, columns of the scorer]`, of which some are filled up."""
    reader = run.task.array_reader()
    base = reader.base()
    content = onnx_model(exported_policy(run, tradeoff), reader, base, run.names)
    session, draws = onnxruntime.InferenceSession(content), np.random.default_rng(0)
    names = {each.name: each.shape for each in session.get_inputs()}
    scorer = None if tradeoff is None else run.scorer(tradeoff.weights[0].tolist(), dial=2.0)
    for batch, length in sizes:
        rows = table[draws.integers(0, len(table), (batch, length))].astype(np.float32)
        lengths = [length if row == 0 else draws.integers(1, length + 1) for row in range(batch)]
        weights, dials = draws.dirichlet(np.ones(len(run.names)), batch).astype(np.float32), draws.uniform(0.5, 3, batch)
        given = {
            "features": rows[..., : len(feature_columns(reader, base))],
            "mask": (np.arange(length) < np.array(lengths)[:, None]).astype(np.float32),
            "weights": weights,
            "dial": dials.astype(np.float32),
            "base_scores": rows[..., -1],
        }
        (found,) = session.run(["scores"], {name: given[name] for name in names})
        for row in range(batch):
            own = scorer or run.scorer(weights[row].tolist(), dial=float(dials[row]))
            expected = own(rows[row, : lengths[row]])
            np.testing.assert_allclose(found[row, : lengths[row]], expected, rtol=1e-5, atol=1e-5)
            assert not found[row, lengths[row] :].any()
    return names


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("method", ["cos-dpo", TREES, TREES | {"form": "sum"}], ids=["network", "trees", "sum"])
def test_every_policy_and_base(run, task, method, base):
    given = run(task(base=BASES[base]), method)
    table = np.random.default_rng(1).standard_normal((400, 8)) * 2
    names = check(given, table, [(1, 1), (1, 2), (1, 337), (7, 1), (7, 2), (7, 100), (7, 337)])
    assert list(names) == ["features", "mask", "weights", "dial", *(["base_scores"] if base == "scores" else [])]
    assert names["features"] == ["batch", "list", 7 if base == "scores" else 8]
    assert names["weights"] == ["batch", 2]


@pytest.mark.parametrize(
    "method",
    [
        {"name": "cos-dpo", "betas": "dirichlet"},
        TREES | {"betas": "dirichlet"},
        TREES | {"grow": {"leaves": 5, "items": 10_000}},  # no tree has a split
        *({"name": "cos-dpo", "conditioner": name} for name in ("concat", "hypernetwork", "hyper-lora", "encoded")),
        {"name": "cos-dpo", "conditioner": ["film", "hyper-lora"]},
    ],
    ids=str,
)
def test_every_conditioner_and_betas_that_vary(run, task, method):
    given = run(task(base=BASES["lambdamart"], parametrization="scratch"), method)
    check(given, np.random.default_rng(1).standard_normal((50, 8)), [(1, 3), (4, 6)])


@pytest.mark.parametrize("method", ["dpo-soup", {"name": "dpo-ls", "points": 3}, TREES, TREES | {"form": "sum"}], ids=str)
def test_one_tradeoff(run, task, method):
    given = run(task(base=BASES["neural"]), method)
    tradeoff = given.tradeoff("0.5,0.5", "2")
    names = check(given, np.random.default_rng(1).standard_normal((50, 8)), [(1, 3), (4, 6)], tradeoff)
    assert list(names) == ["features", "mask"]


@pytest.mark.parametrize("method", ["cos-dpo", TREES], ids=["network", "trees"])
@pytest.mark.parametrize("kind", ["scores", "lambdamart", "lightgbm", "lightgbm-forest", "lightgbm-zeros"])
def test_tables_with_missing_values_and_categories(run, task, shop, shop_base, method, kind):
    base = BASES["lambdamart"] if kind == "lambdamart" else shop_base(kind)
    objectives = {"clicks": {"column": "clicks"}, "dwell": {"column": "dwell"}}
    features = ["lost", "brand", "a"]
    built = task(data=shop, base=base, objectives=objectives, main={"column": "grade"}, features=features)
    given = run(built, method)
    draws = np.random.default_rng(2)
    table = draws.standard_normal((200, len(built.array_reader().features)))
    table[draws.random(200) < 0.3, 0], table[draws.random(200) < 0.3, 2] = np.nan, 0
    table[:, 1] = draws.choice([0, 1, 7, -1, np.nan], 200)
    check(given, table, [(1, 1), (5, 20)])


def test_heavy_tails_and_values_out_of_range(run, task, tmp_path):
    draws = np.random.default_rng(0)
    for split in ("train", "vali", "test"):
        frame = pd.DataFrame({"query": np.repeat(np.arange(10), 30), "a": np.exp(3 * draws.standard_normal(300)) - 1})
        frame["constant"], frame["grade"] = 4.0, draws.integers(0, 3, 300).astype(float)
        frame["one"], frame["two"] = (frame.a > 1).astype(float), draws.integers(0, 2, 300).astype(float)
        frame.to_parquet(tmp_path / f"{split}.parquet")
    objectives = {"one": {"column": "one"}, "two": {"column": "two"}}
    built = task(data=tmp_path, base=BASES["neural"], objectives=objectives, main={"column": "grade"})
    given = run(built, "cos-dpo")
    assert built.array_reader().network.scaling.logarithm.tolist() == [True, False]
    table = np.array([[1e30, 4.0], [-1e30, 5.0], [1e-7, 4.0], [0.0, 4.0], [np.nan, np.nan], [2.5, 3.0]])
    check(given, table, [(1, 6), (3, 9)])


@pytest.mark.parametrize("method", ["cos-dpo", TREES, TREES | {"form": "sum"}], ids=["network", "trees", "sum"])
def test_empty_lists_have_no_scores_and_padding_may_hold_anything(run, task, method):
    given = run(task(base=BASES["lambdamart"]), method)
    reader = given.task.array_reader()
    content = onnx_model(exported_policy(given, None), reader, reader.base(), given.names)
    session = onnxruntime.InferenceSession(content)
    for batch, length in ((1, 0), (0, 3), (2, 3)):
        features = np.full((batch, length, 8), np.nan, dtype=np.float32)
        features[:1, :2], features[:, 2:] = 0.5, np.inf
        weights, dial = np.full((batch, 2), 0.5, dtype=np.float32), np.ones(batch, dtype=np.float32)
        mask = np.zeros((batch, length), dtype=np.float32)
        mask[:1, :2] = 1
        inputs = {"features": features, "mask": mask, "weights": weights, "dial": dial}
        (found,) = session.run(["scores"], inputs)
        assert found.shape == (batch, length)
    np.testing.assert_allclose(found[0, :2], given.scorer([0.5, 0.5])(features[0, :2]), rtol=1e-5, atol=1e-5)
    assert not found[0, 2:].any()
    assert not found[1].any()
