"""The nodes of ONNX that turn features and weights into the sums of trees, in front of a traced graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moft.api import OnnxTrees
from moft_ltr.export.scores_graph import OPSET, TREES

OPSET_OF_TREES = 3
"""Of `ai.onnx.ml`, with trees in 64 bits."""


class _Nodes:
    """Nodes and constants of a graph, which are named after what they give.

    Args:
        onnx: the package.
    """

    def __init__(self, onnx: Any) -> None:
        self._onnx = onnx
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, value: NDArray[Any], name: str) -> str:
        """Adds a constant, and gives its name."""
        self.constants.append(self._onnx.numpy_helper.from_array(value, f"{TREES}/{name}"))
        return f"{TREES}/{name}"

    def integers(self, *values: int) -> str:
        """Adds a list of integers as a constant, and gives its name."""
        return self.constant(np.array(values, dtype=np.int64), f"constant-{len(self.constants)}")

    def add(self, kind: str, inputs: Sequence[str], **attributes: Any) -> str:
        """Adds a node, and gives the name of its output."""
        name = f"{TREES}/{kind}-{len(self.nodes)}"
        self.nodes.append(self._onnx.helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name


def prepend_trees(onnx: Any, model: Any, trees: OnnxTrees, models: int, columns: int, weights: int) -> None:
    """Adds the nodes that compute the input `TREES` of a graph, before its own.

    Args:
        onnx: the package.
        model: traced, which is changed.
        trees: over the columns of `features`, and then the weights, if they read them.
        models: outputs of the trees.
        columns: of `features`.
        weights: how many weights they read; 0 for none.
    """
    nodes = _Nodes(onnx)
    lists = nodes.add("Slice", [nodes.add("Shape", ["features"]), *map(nodes.integers, (0, 2, 0))])  # [batch, list]
    rows = "features"
    if weights:
        wide = nodes.add("Concat", [lists, nodes.integers(weights)], axis=0)
        each = nodes.add("Expand", [nodes.add("Unsqueeze", ["weights", nodes.integers(1)]), wide])
        rows = nodes.add("Concat", ["features", each], axis=2)  # [batch, list, columns]
    count = nodes.add("ReduceProd", [lists], axes=[0], keepdims=1)
    size = nodes.add("Concat", [count, nodes.integers(columns + weights)], axis=0)
    flat = nodes.add("Reshape", [rows, size], allowzero=1)  # also of an empty list
    further = sorted((each for each in trees.columns if each[1] != "number"), key=lambda each: each[1])
    moved = [columns + weights + further.index(each) if each in further else each[0] for each in trees.columns] or [0]
    sums = nodes.add(
        "TreeEnsembleRegressor",
        [_read(nodes, onnx.TensorProto.DOUBLE, flat, further, trees.zero)],
        domain="ai.onnx.ml",
        n_targets=models,
        nodes_modes=trees.modes,
        nodes_values_as_tensor=onnx.numpy_helper.from_array(np.array(trees.values), "values"),
        target_weights_as_tensor=onnx.numpy_helper.from_array(np.array(trees.weights), "weights"),
        **{f"nodes_{key}": values for key, values in trees.nodes.items() if key != "featureids"},
        nodes_featureids=[moved[place] for place in trees.nodes["featureids"]],
        **{f"target_{key}": values for key, values in trees.targets.items()},
    )
    shape = nodes.add("Concat", [lists, nodes.integers(models)], axis=0)
    last = onnx.helper.make_node("Reshape", [sums, shape], [TREES], name=f"{TREES}/last", allowzero=1)
    own = list(model.graph.node)
    del model.graph.node[:], model.opset_import[:]
    model.graph.node.extend([*nodes.nodes, last, *own])
    model.graph.initializer.extend(nodes.constants)
    for domain, version in (("", OPSET), ("ai.onnx.ml", OPSET_OF_TREES)):
        model.opset_import.append(onnx.helper.make_opsetid(domain, version))


def _read(nodes: _Nodes, wide: int, rows: str, further: Sequence[tuple[int, str]], zero: float) -> str:
    """What trees read: all columns as they are, and then those that they read otherwise.

    Args:
        nodes: to add to.
        wide: the number of the type with 64 bits.
        rows: `[n, columns]`.
        further: column and reading of each of the latter, with equal readings together.
        zero: up to here, a number is 0.
    """
    parts = [nodes.add("Cast", [rows], to=wide)]
    for reading in dict.fromkeys(reading for _, reading in further):
        places = nodes.integers(*(column for column, of in further if of == reading))
        part = nodes.add("Gather", [parts[0], places], axis=1)
        size = nodes.add("Abs", [part])
        if reading == "code":
            part = nodes.add("Mul", [nodes.add("Sign", [part]), nodes.add("Floor", [size])])
        else:
            is_zero = nodes.add("LessOrEqual", [size, nodes.constant(np.array(zero), "zero")])
            part = nodes.add("Where", [is_zero, nodes.constant(np.array(np.nan), "missing"), part])
        parts.append(part)
    return nodes.add("Concat", parts, axis=1) if len(parts) > 1 else parts[0]
