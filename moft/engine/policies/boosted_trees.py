"""A model of gradient-boosted trees, which reads features as they are and, as further features, the tradeoff."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from moft.errors import DataError
from moft.files.lightgbm.booster import booster_scores, load_booster, tensor_to_text, text_to_tensor
from moft.files.lightgbm.fold_columns import fold_columns
from moft.files.lightgbm.model_text import join_models, parse_lightgbm, scaled_model
from moft.files.lightgbm.vectorised_trees import tree_scores
from moft.interfaces import Conditioner, Model
from moft.types import FeatureTable, Injection, Inputs, ModelSpec, ReferenceTrees, Slot

SITE = "tradeoff"
TEXT = "trees"
_WHERE, _ADVICE = "the policy's LightGBM model", "Restore the run from a copy, or train anew with another --out."


@runtime_checkable
class ContinuesTrees(Protocol):
    """A model of trees that can go on from those of the reference, so that both are one sum."""

    def terms_at(self, injection: Injection, divisor: float) -> Sequence[Term]:
        """The terms of the model's output for an injection of one row, divided by `divisor`."""
        ...


class TradeoffFeatures(Conditioner):
    """Gives trees the tradeoff itself: `BoostedTrees` read it as further features of every item, `SummedTrees` as factors.

    Args:
        spec: of the trees.
    """

    slots: frozenset[Slot] = frozenset({"modulation"})

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self._site = spec.sites[0]

    def forward(self, vector: Tensor) -> Injection:
        return Injection({self._site: (None, vector)})


class BoostedTrees(Model):
    """Trees of LightGBM over the input `table` of a task's batches; without trees, every output is zero.

    The features are the columns of the table, and then the tradeoff, which an injection brings as the shift of the only site. The
    trees are kept as the text of a LightGBM model, which is checked before LightGBM reads it.

    Args:
        table: what the task says of the features.
        tradeoff_size: number of further features; 0 for trees without tradeoff.
        is_correction: whether outputs are corrections of the reference, or scores.
    """

    is_stackable = False
    features: int
    """How many the trees read, with those of the tradeoff."""
    trees: Tensor

    def __init__(self, table: FeatureTable, *, tradeoff_size: int, is_correction: bool) -> None:
        super().__init__()
        self.features = len(table.names) + tradeoff_size
        self._booster: Any = None
        self.register_buffer(TEXT, torch.zeros(0, dtype=torch.uint8))
        self.spec = ModelSpec(
            tradeoff_size=tradeoff_size,
            hidden_size=tradeoff_size,
            slots=frozenset({"modulation"} if tradeoff_size else ()),
            sites=(SITE,) if tradeoff_size else (),
            is_correction=is_correction,
            name="trees",
        )

    @property
    def text(self) -> str:
        """Of the LightGBM model; empty without trees."""
        return tensor_to_text(self.trees.cpu(), _WHERE)

    @text.setter
    def text(self, text: str) -> None:
        self._load(text_to_tensor(text))

    def extend(self, text: str) -> None:
        """Adds the trees of a LightGBM model, which is checked, so that outputs are the sum of both."""
        grown = parse_lightgbm(text).text
        self.text = join_models([self.text, grown]) if self.text else grown

    def forward(self, inputs: Inputs, injection: Injection) -> Tensor:
        items = inputs["items"]
        outputs = torch.zeros(items.shape, device=items.device)
        if self._booster is not None:
            features = inputs["table"][items]  # [n, features]
            _, vector = injection.modulation.get(SITE, (None, None))
            if vector is not None:
                rows = items.nonzero()[:, 0]
                features = torch.cat([features, vector.to(features)[rows]], dim=1)
            outputs[items] = torch.from_numpy(self.scores(features.cpu().numpy())).to(outputs)
        return outputs

    def scores(self, features: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """`[n]`, the outputs for rows of features and tradeoff, `[n, features]`."""
        if self._booster is None:
            return np.zeros(len(features))
        return booster_scores(self._booster, features, _WHERE)

    def terms_at(self, injection: Injection, divisor: float) -> Sequence[Term]:
        """These trees alone."""
        vector = injection.modulation[SITE][1] if self.spec.tradeoff_size else None
        return [(self, [] if vector is None else vector[0].tolist(), 1 / divisor)]

    def at(self, tradeoff: Sequence[float]) -> str:
        """The text of a model of these trees at one tradeoff, which reads the table alone; empty without trees."""
        if self._booster is None:
            return ""
        own, table = parse_lightgbm(self.text, _WHERE, _ADVICE).text, self.features - len(tradeoff)
        return fold_columns(own, dict(enumerate(tradeoff, start=table))) if tradeoff else own

    def _load(self, trees: Tensor) -> None:
        booster = None
        if len(trees):
            model = parse_lightgbm(tensor_to_text(trees.cpu(), _WHERE), _WHERE, _ADVICE)
            if len(model.names) != self.features:
                raise DataError(f"{_WHERE} has {len(model.names)} features, not {self.features}. {_ADVICE}")
            booster = load_booster(model, _WHERE, "method")
        self.trees, self._booster = trees.to(self.trees.device), booster

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        found = state_dict.get(prefix + TEXT)
        if found is not None:
            self._load(found.clone())
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)


Term: TypeAlias = tuple[BoostedTrees, Sequence[float], float]
"""Trees, the tradeoff that they read, if any, and what they are multiplied by."""


def continued_scores(
    reference: ReferenceTrees, columns: int, terms: Sequence[Term]
) -> Callable[[NDArray[np.float32]], NDArray[np.float64]]:
    """The final scores `[n]` of rows `[n, columns]`, from the sum of the trees of the reference and of all terms.

    Args:
        reference: where the reference comes from.
        columns: of the rows; the first ones are those of the table.
        terms: of the policy.
    """
    where = "the base model with the policy's trees"
    scores = tree_scores(parse_lightgbm(join_models(continued_texts(reference, columns, terms)), where, _ADVICE), where)
    return lambda rows: scores(rows) + reference.shift


def continued_texts(reference: ReferenceTrees | None, columns: int, terms: Sequence[Term]) -> list[str]:
    """The LightGBM models of the reference, if any, without its shift, and of all terms; arguments are those of the scores."""
    texts = []
    if reference is not None:
        texts.append(scaled_model(reference.text, reference.factor, reference.columns, columns))
    return texts + [scaled_model(text, factor, range(columns), columns) for trees, at, factor in terms if (text := trees.at(at))]


def steerable_text(columns: int, trees: BoostedTrees, divisor: float = 1.0) -> str:
    """The LightGBM model of trees whose tradeoff is not given, but read from further columns, after those of the rows.

    Args:
        columns: of the rows; the first ones are those of the table.
        trees: of the policy.
        divisor: of their output.
    """
    size = trees.spec.tradeoff_size
    read = [*range(trees.features - size), *range(columns, columns + size)]
    return scaled_model(parse_lightgbm(trees.text, _WHERE, _ADVICE).text, 1 / divisor, read, columns + size)
