"""A policy as one ONNX model: trees and networks, with everything that turns features into their inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moft import ConfigError, RunError
from moft.api import OnnxTrees, continued_texts, exported_model, fold_columns, onnx_trees, steerable_text
from moft_ltr.base.base_source import BaseSource, RankerReader
from moft_ltr.export.example_rows import ExampleCase
from moft_ltr.export.exported_policy import ExportedPolicy
from moft_ltr.export.scores_graph import OPSET, TREES, ScoresGraph, traced

VERSIONS = {"ir_version": 8, "ai.onnx.ml": 3}
"""Old enough for every ONNX Runtime since 1.11."""

ZERO = 1.0000000180025095e-35
"""Up to here, a number is 0 for trees."""


def import_onnx() -> Any:
    """The packages onnx and onnxruntime.

    Raises:
        ConfigError: one is not installed.
    """
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise ConfigError("--as onnx needs the packages onnx and onnxruntime: pip install 'moft[onnx]'.") from error
    return onnx, onnxruntime


def onnx_model(policy: ExportedPolicy, reader: RankerReader, base: BaseSource, objectives: Sequence[str]) -> bytes:
    """The content of the file.

    Args:
        policy: to export.
        reader: of arrays, with the columns of which `features` has all but a column of base scores.
        base: where the base scores come from.
        objectives: names, in order.

    Raises:
        ConfigError: trees have linear leaves, or the result is too large for a file of ONNX.
    """
    onnx, _ = import_onnx()
    columns = len(feature_columns(reader, base))
    graph = ScoresGraph(policy, base, reader.network, reader.inputs)
    texts = _tree_texts(policy, base, columns, len(objectives))
    model = onnx.load_from_string(traced(graph, columns, len(objectives), len(texts)))
    if texts:
        is_steered = policy.tradeoff is None and policy.model.spec.tradeoff_size > 0 and len(policy.trees) == 1
        try:
            trees = onnx_trees(texts)
        except ValueError as error:
            advice = "; use --as lightgbm" if policy.trees else ""
            raise ConfigError(f"--as onnx: {error}, for which ONNX has no operator{advice}.") from error
        _prepend_trees(onnx, model, trees, len(texts), len(objectives) if is_steered else 0)
    del model.graph.input[:], model.graph.output[:], model.graph.value_info[:]
    kinds = {"features": ["batch", "list", columns], "weights": ["batch", len(objectives)], "dial": ["batch"]}
    given = [name for name in graph.names if name != TREES]
    for name in given:
        shape = kinds.get(name, ["batch", "list"])
        model.graph.input.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape))
    model.graph.output.append(onnx.helper.make_tensor_value_info("scores", onnx.TensorProto.FLOAT, ["batch", "list"]))
    model.graph.name, model.producer_name, model.producer_version = "ranker", "moft", ""
    onnx.helper.set_model_props(model, {"objectives": ",".join(objectives)})
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


def feature_columns(reader: RankerReader, base: BaseSource) -> tuple[str, ...]:
    """The columns that `features` has: those of the reader, without a column of base scores."""
    has_column = base.network is None and base.trees is None
    return reader.features[: reader.inputs] if has_column else reader.features


def _tree_texts(policy: ExportedPolicy, base: BaseSource, columns: int, weights: int) -> list[str]:
    """LightGBM models over the columns and then, if they are features of the policy's trees, the weights."""
    is_steered = policy.tradeoff is None and len(policy.trees) == 1 and policy.model.spec.tradeoff_size > 0
    width = columns + weights if is_steered else columns
    names = [str(number) for number in range(width)]
    texts = []
    if base.trees is not None:
        texts.append(exported_model(continued_texts(base.trees, width, ()), names, base.trees.shift))
    if is_steered:
        own = steerable_text(columns, policy.trees[0])
        known = {width + place: share for place, share in enumerate(policy.shares.tolist())}
        texts.append(fold_columns(own, known) if known else own)
    elif policy.trees and policy.tradeoff is not None:
        texts.append(exported_model(continued_texts(None, width, policy.terms(1.0)), names))
    else:
        texts += [exported_model(continued_texts(None, width, [(trees, (), 1.0)]), names) for trees in policy.trees]
    return texts


def _prepend_trees(onnx: Any, model: Any, trees: OnnxTrees, models: int, weights: int) -> None:
    """Adds the nodes that compute the input `TREES` of a graph, before its own."""
    from onnx.numpy_helper import from_array

    nodes: list[Any] = []

    def constant(value: np.ndarray[Any, Any], name: str) -> str:
        model.graph.initializer.append(from_array(value, f"trees/{name}"))
        return f"trees/{name}"

    def add(kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        name = output if output == TREES else f"trees/{output}"
        nodes.append(onnx.helper.make_node(kind, list(inputs), [name], name=f"trees/{kind}/{output}", **attributes))
        return name

    first, last = (constant(np.array([number], dtype=np.int64), f"axis{number}") for number in (0, 2))
    lists = add("Slice", [add("Shape", ["features"], "shape"), first, last, first], "lists")  # [batch, list]
    rows = "features"
    if weights:
        one = constant(np.array([1], dtype=np.int64), "axis1")
        size = constant(np.array([weights], dtype=np.int64), "weights")
        wide = add("Concat", [lists, size], "wide", axis=0)
        each = add("Expand", [add("Unsqueeze", ["weights", one], "one"), wide], "each")
        rows = add("Concat", ["features", each], "all", axis=2)  # [batch, list, columns]
    width = add("Slice", [add("Shape", [rows], "sizes"), last, constant(np.array([3], dtype=np.int64), "axis3"), first], "width")
    flat = add("Reshape", [rows, add("Concat", [constant(np.array([-1], dtype=np.int64), "any"), width], "flat", axis=0)], "rows")
    order = sorted(trees.columns, key=lambda column: column[1])
    parts = []
    for reading in sorted({reading for _, reading in order}):
        places = constant(np.array([column for column, of in order if of == reading], dtype=np.int64), f"{reading}/places")
        part = add("Cast", [add("Gather", [flat, places], f"{reading}/read", axis=1)], reading, to=onnx.TensorProto.DOUBLE)
        if reading != "number":
            size = add("Abs", [part], f"{reading}/size")
        if reading == "code":
            part = add("Mul", [add("Sign", [part], "sign"), add("Floor", [size], "floor")], "codes")
        if reading == "zero-is-missing":
            is_zero = add("LessOrEqual", [size, constant(np.array(ZERO), "zero")], "is_zero")
            part = add("Where", [is_zero, constant(np.array(np.nan), "missing"), part], "numbers")
        parts.append(part)
    if not parts:  # no tree has a split
        parts = [add("Cast", [flat], "unread", to=onnx.TensorProto.DOUBLE)]
    moved = [order.index(column) for column in trees.columns]
    attributes: dict[str, Any] = {f"nodes_{key}": values for key, values in trees.nodes.items()}
    attributes["nodes_featureids"] = [moved[place] if moved else 0 for place in trees.nodes["featureids"]]
    attributes |= {f"target_{key}": values for key, values in trees.targets.items()}
    sums = add(
        "TreeEnsembleRegressor",
        [add("Concat", parts, "read", axis=1)],
        "sums",
        domain="ai.onnx.ml",
        n_targets=models,
        nodes_modes=trees.modes,
        nodes_values_as_tensor=from_array(np.array(trees.values), "values"),
        target_weights_as_tensor=from_array(np.array(trees.weights), "weights"),
        **attributes,
    )
    count = constant(np.array([models], dtype=np.int64), "models")
    add("Reshape", [sums, add("Concat", [lists, count], "outputs", axis=0)], TREES)
    traced_nodes = list(model.graph.node)
    del model.graph.node[:], model.opset_import[:]
    model.graph.node.extend([*nodes, *traced_nodes])
    ids = {"": OPSET, "ai.onnx.ml": VERSIONS["ai.onnx.ml"]}
    model.opset_import.extend(onnx.helper.make_opsetid(domain, version) for domain, version in ids.items())


def check_model(content: bytes, rows: NDArray[np.float32], cases: Sequence[ExampleCase]) -> None:
    """Checks that ONNX Runtime gives the scores of example rows, all cases in one batch, with padding.

    Args:
        content: of the file.
        rows: `[documents, columns]`, a column of base scores last.
        cases: with scores of these rows.

    Raises:
        RunError: it does not.
    """
    _, runtime = import_onnx()
    count, width = len(cases), len(rows) + 1
    padded = np.concatenate([rows, np.zeros_like(rows[:1])])
    given = {
        "mask": np.tile(np.arange(width) < len(rows), (count, 1)).astype(np.float32),
        "weights": np.array([[*case.weights.values()] for case in cases], dtype=np.float32),
        "dial": np.array([case.dials[0] for case in cases], dtype=np.float32),
        "base_scores": np.tile(padded[:, -1], (count, 1)),
    }
    try:
        session = runtime.InferenceSession(content)
        inputs = {each.name: each.shape for each in session.get_inputs()}
        given["features"] = np.tile(padded[:, : inputs["features"][-1]], (count, 1, 1))
        (found,) = session.run(["scores"], {name: given[name] for name in inputs})
    except Exception as error:
        raise RunError(f"--as onnx: ONNX Runtime cannot run the model ({' '.join(str(error).split())[:300]}).") from error
    for case, scores in zip(cases, found, strict=True):
        case.check(scores[: len(rows)], "--as onnx: the model")
