"""A model of gradient-boosted trees for each objective, summed by the weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from moft.engine.policies.boosted_trees import SITE, BoostedTrees, Term
from moft.files.lightgbm.model_text import split_model
from moft.interfaces import Model
from moft.types import FeatureTable, Injection, Inputs


class SummedTrees(Model):
    """The sum of plain `BoostedTrees`, one for each objective, times the weights; the correction of the reference.

    The weights are the shift of the only site of an injection.

    Attributes:
        terms: the `BoostedTrees`, in the order of the objectives. The `text` of each is a LightGBM model.

    Args:
        table: what the task says of the features.
        outputs: number of objectives.
    """

    is_stackable = False

    def __init__(self, table: FeatureTable, outputs: int) -> None:
        super().__init__()
        plain = [BoostedTrees(table, tradeoff_size=0, is_correction=True) for _ in range(outputs)]
        self.terms = nn.ModuleList(plain)
        self.spec = replace(
            plain[0].spec, tradeoff_size=outputs, hidden_size=outputs, slots=frozenset({"modulation"}), sites=(SITE,)
        )

    def extend(self, text: str) -> None:
        """Adds the trees of a LightGBM model that gives a score for each objective, as LightGBM has just written it."""
        for trees, part in zip(self._plain, split_model(text, len(self.terms)), strict=True):
            trees.extend(part)

    def forward(self, inputs: Inputs, injection: Injection) -> Tensor:
        weights = _weights(injection)  # [batch, m]
        outputs = torch.zeros(inputs["items"].shape, device=inputs["items"].device)
        for trees, factor in zip(self._plain, weights.to(outputs).unbind(1), strict=True):
            if factor.any():
                outputs = outputs + factor.unsqueeze(1) * trees(inputs, Injection())
        return outputs

    def scores(self, features: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """`[n, m]`, the outputs for rows of features, `[n, features]`."""
        return np.stack([trees.scores(features) for trees in self._plain], axis=1)

    def terms_at(self, injection: Injection, divisor: float) -> Sequence[Term]:
        """The trees of each objective, times the weight."""
        weights = _weights(injection)[0].tolist()
        return [(trees, (), weight / divisor) for trees, weight in zip(self._plain, weights, strict=True)]

    @property
    def _plain(self) -> list[BoostedTrees]:
        return [trees for trees in self.terms if isinstance(trees, BoostedTrees)]


def _weights(injection: Injection) -> Tensor:
    """`[batch, m]`."""
    _, weights = injection.modulation[SITE]
    if weights is None:
        raise ValueError("summed trees need the weights")
    return weights
