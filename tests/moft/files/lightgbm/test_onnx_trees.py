"""Trees for ONNX score every kind of split as LightGBM does."""

from __future__ import annotations

import numpy as np
import pytest

from moft.files.lightgbm.fold_columns import ZERO
from moft.files.lightgbm.onnx_trees import onnx_trees

onnx, onnxruntime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")


def outputs(trees, rows, models):
    """`[n, models]` of ONNX Runtime."""
    columns = []
    for column, reading in trees.columns:
        values = rows[:, column].astype(np.float64)
        size = np.abs(values)
        plain = {"number": values, "code": np.sign(values) * np.floor(size)}
        columns.append(plain.get(reading, np.where(size <= ZERO, np.nan, values)))
    attributes = {f"nodes_{key}": values for key, values in trees.nodes.items()}
    attributes |= {f"target_{key}": values for key, values in trees.targets.items()}
    helper, from_array = onnx.helper, onnx.numpy_helper.from_array
    node = helper.make_node(
        "TreeEnsembleRegressor",
        ["rows"],
        ["scores"],
        domain="ai.onnx.ml",
        n_targets=models,
        nodes_modes=trees.modes,
        nodes_values_as_tensor=from_array(np.array(trees.values), "values"),
        target_weights_as_tensor=from_array(np.array(trees.weights), "weights"),
        **attributes,
    )
    kinds = [("rows", onnx.TensorProto.DOUBLE, ["n", len(columns)]), ("scores", onnx.TensorProto.FLOAT, ["n", models])]
    graph = helper.make_graph([node], "trees", *([helper.make_tensor_value_info(*kind)] for kind in kinds))
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("ai.onnx.ml", 3)])
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, {"rows": np.stack(columns, axis=1)})[0]


@pytest.mark.parametrize("settings", [{}, {"zero_as_missing": True}, {"use_missing": False}, {"num_leaves": 2}], ids=str)
def test_scores_are_those_of_lightgbm(settings, grown, scores):
    text, rows = grown(**settings)
    rows[::7, 0], rows[1::7, 0], rows[2::7, 0] = 0, 1e-36, -1e-36
    rows[::5, 2], rows[::11, 2], rows[::13, 4], rows[1::13, 4] = np.nan, 99, 2.7, -3
    rows = rows.astype(np.float32)
    found = outputs(onnx_trees([text, text]), rows, 2)
    np.testing.assert_allclose(found[:, 0], scores(text, rows), rtol=0, atol=1e-6)
    assert np.array_equal(found[:, 0], found[:, 1])


def test_linear_leaves_are_refused(grown):
    with pytest.raises(ValueError, match="the trees have linear leaves"):
        onnx_trees([grown(linear_tree=True)[0]])
