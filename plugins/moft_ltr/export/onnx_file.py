"""A policy as one ONNX model: trees and networks, with everything that turns features into their inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moft import ConfigError, RunError
from moft.api import continued_texts, exported_model, fold_columns, onnx_trees, steerable_text
from moft_ltr.base.base_source import BaseSource, RankerReader
from moft_ltr.export.example_rows import ExampleCase
from moft_ltr.export.exported_policy import ExportedPolicy
from moft_ltr.export.scores_graph import TREES, ScoresGraph, traced
from moft_ltr.export.tree_nodes import prepend_trees


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
        try:
            trees = onnx_trees(texts)
        except ValueError as error:
            advice = "; use --as lightgbm" if policy.trees else ""
            raise ConfigError(f"--as onnx: {error}, for which ONNX has no operator{advice}.") from error
        prepend_trees(onnx, model, trees, len(texts), columns, len(objectives) if policy.reads_weights else 0)
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
    width = columns + weights if policy.reads_weights else columns
    names = [str(number) for number in range(width)]
    texts = []
    if base.trees is not None:
        texts.append(exported_model(continued_texts(base.trees, width, ()), names, base.trees.shift))
    if policy.reads_weights:
        own = steerable_text(columns, policy.trees[0])
        known = {width + place: share for place, share in enumerate(policy.shares.tolist())}
        texts.append(fold_columns(own, known) if known else own)
    elif policy.trees and policy.tradeoff is not None:
        texts.append(exported_model(continued_texts(None, width, policy.terms(1.0)), names))
    else:
        texts += [exported_model(continued_texts(None, width, [(trees, (), 1.0)]), names) for trees in policy.trees]
    return texts


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
