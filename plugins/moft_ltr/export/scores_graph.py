"""The scores of an exported policy as one network, from features as they are in the data; torch writes it as ONNX."""

from __future__ import annotations

import io
import warnings
from typing import Any

import torch
from torch import Tensor, nn

from moft import ConfigError
from moft.api import Injection, Inputs
from moft_ltr.base.base_source import BaseSource
from moft_ltr.data.features.feature_scaling import LIMIT
from moft_ltr.data.features.network_inputs import NetworkInputs
from moft_ltr.export.exported_policy import ExportedPolicy

OPSET = 17
"""Of ONNX, with LayerNormalization."""

TREES = "trees"
"""The input `[batch, list, models]` with what trees give: the base score, if it is of trees, and the terms of the policy."""


class ScoresGraph(nn.Module):
    """Scores `[batch, list]`, with 0 where there is no document; called with the inputs that `names` has, in order.

    Args:
        policy: which is exported.
        base: where base scores come from.
        network: what networks read of the inputs.
        inputs: how many columns are inputs.
    """

    def __init__(self, policy: ExportedPolicy, base: BaseSource, network: NetworkInputs, inputs: int) -> None:
        super().__init__()
        self._policy, self._base, self._inputs = policy, base, inputs
        self._columns = NetworkColumns(network)
        has_trees = bool(policy.trees) or base.trees is not None
        steered = () if policy.tradeoff is not None else ("weights", "dial")
        has_column = base.trees is None and base.network is None
        self.names = ("features", "mask", *steered, *(["base_scores"] if has_column else []), *([TREES] if has_trees else []))

    def forward(self, *given: Tensor) -> Tensor:
        inputs = dict(zip(self.names, given, strict=True))
        items = inputs["mask"] > 0
        weights = inputs.get("weights", torch.zeros(1, 1))
        read = self._columns(inputs["features"][..., : self._inputs]) | {"items": items}
        reference = self._reference(read, inputs)
        outputs = self._outputs(read, inputs, weights)
        change = outputs if self._policy.model.spec.is_correction else outputs - reference
        dial = inputs["dial"].unsqueeze(1) if "dial" in inputs else 1.0
        scores = reference + change / (self._policy.divisor(weights) * dial)
        return torch.where(items, scores, torch.zeros_like(scores))

    def _reference(self, read: Inputs, inputs: dict[str, Tensor]) -> Tensor:
        """`[batch, list]`, the standardised base scores."""
        base = self._base
        if base.trees is not None:
            return inputs[TREES][..., 0]
        if base.network is not None:
            raw: Tensor = base.network(read, Injection())
            return (raw - base.mean) / base.deviation
        return ((inputs["base_scores"].double() - base.mean) / base.deviation).float()

    def _outputs(self, read: Inputs, inputs: dict[str, Tensor], weights: Tensor) -> Tensor:
        """`[batch, list]`, the outputs of the policy's model."""
        if not self._policy.trees:
            outputs: Tensor = self._policy.model(read, self._policy.injection(weights))
            return outputs
        terms = inputs[TREES][..., 1 if self._base.trees is not None else 0 :]  # [batch, list, terms]
        if self._policy.reads_weights or self._policy.tradeoff is not None:
            return terms[..., 0]
        return (terms @ weights.unsqueeze(-1)).squeeze(-1)


class NetworkColumns(nn.Module):
    """`NetworkInputs` of features `[batch, list, columns]`, in torch.

    Args:
        network: whose scaling, indicators and codes it computes.
    """

    def __init__(self, network: NetworkInputs) -> None:
        super().__init__()
        scaling = network.scaling
        self._numbers, self._missing = torch.tensor(network.numbers), torch.from_numpy(network.missing)
        self._places, self._sizes = torch.tensor(list(network.categories)), torch.tensor(network.sizes)
        self._logarithm = torch.from_numpy(scaling.logarithm)[self._numbers]
        self._mean, self._deviation = torch.from_numpy(scaling.mean), torch.from_numpy(scaling.deviation)

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        numbers = features[..., self._numbers] if len(self._places) else features
        wide = numbers.double()  # so that the logarithm of numbers near 1 keeps its digits
        logged = (wide.sign() * (1 + wide.abs()).log()).float()
        scaled = torch.where(self._logarithm, logged, numbers) - self._mean[self._numbers]
        scaled = scaled / self._deviation[self._numbers]
        scaled = torch.where(scaled.isnan(), torch.zeros_like(scaled), scaled).clamp(-LIMIT, LIMIT)
        if len(self._missing):
            scaled = torch.cat([scaled, features[..., self._missing].isnan().float()], dim=-1)
        found = {"features": scaled}
        if len(self._places):
            given = features[..., self._places]
            known = (given > -1) & (given < self._sizes - 1)
            found["categories"] = torch.where(known, given, -torch.ones_like(given)).long() + 1
        return found


def traced(graph: ScoresGraph, columns: int, weights: int, models: int) -> bytes:
    """A graph as ONNX, whose inputs have any number of lists and of documents.

    Args:
        graph: of a policy without gradients.
        columns: of the features.
        weights: number of objectives.
        models: length of the last axis of `TREES`.

    Raises:
        ConfigError: a part of the policy, such as a conditioner of a plugin, has an operator that ONNX has not.
    """
    sizes = {"features": (2, 3, columns), "weights": (2, weights), "dial": (2,), TREES: (2, 3, models)}
    shapes = [sizes.get(name, (2, 3)) for name in graph.names]
    axes = {
        name: {0: "batch", 1: "list"} if len(shape) > 1 else {0: "batch"} for name, shape in zip(graph.names, shapes, strict=True)
    }
    if "weights" in axes:
        axes["weights"] = {0: "batch"}
    written, examples = io.BytesIO(), tuple(torch.ones(shape) for shape in shapes)
    given: dict[str, Any] = {"input_names": list(graph.names), "output_names": ["scores"], "dynamic_axes": axes}
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # of the tracer, on shapes that are constants indeed
            torch.onnx.export(
                graph.eval(), examples, written, opset_version=OPSET, dynamo=False, **given
            )  # others need a package
    except Exception as error:
        raise ConfigError(f"--as onnx: torch cannot write the policy as ONNX ({' '.join(str(error).split())[:300]}).") from error
    return written.getvalue()
