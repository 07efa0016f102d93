"""Scores the items of one list after another at one tradeoff, from arrays in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from moft.engine.policies.boosted_trees import ContinuesTrees, continued_scores
from moft.errors import DataError, RunError
from moft.interfaces import ArrayReader, Policy
from moft.types import Tradeoff


class ListScorer:
    """A policy at fixed weights, which gives the scores of a list from an array of features; made by `run.scorer`.

    Attributes:
        features: names of the columns of an array, in order.
        categories: by name of a column of categories, what the codes 0, 1, ... stand for; the column holds these codes, and any
            other number for a category that training did not have.

    Args:
        reader: of the task.
        policy: gives the scores.
        tradeoff: one row.
    """

    features: tuple[str, ...]
    categories: Mapping[str, tuple[str | int, ...]]

    def __init__(self, reader: ArrayReader, policy: Policy, tradeoff: Tradeoff) -> None:
        self.features, self.categories, self._read = reader.features, reader.categories, reader.read
        device = next((value.device for value in policy.state_dict().values()), torch.device("cpu"))
        with torch.inference_mode():
            (found,) = policy.assignments(tradeoff.to(device))
        self._model, self._injection, self._divisor = found.model.eval(), found.injection, found.divisor
        self._is_correction, self._continued = found.model.spec.is_correction, None
        if reader.trees is not None and isinstance(self._model, ContinuesTrees) and self._is_correction:
            terms = self._model.terms_at(found.injection, float(found.divisor))
            self._continued = continued_scores(reader.trees, len(reader.features), terms)

    def __call__(self, features: NDArray[np.floating]) -> NDArray[np.float32]:
        """`[list]`, the scores of the items of one list.

        Args:
            features: `[list, features]`, the columns that the attribute `features` names; NaN where one is missing.

        Raises:
            DataError: it is no such array, or has an infinite number.
            RunError: a score is not finite.
        """
        rows = checked_rows(features, self.features)
        if not len(rows):
            return np.zeros(0, dtype=np.float32)
        scores = self._scores(rows) if self._continued is None else self._continued(rows).astype(np.float32)
        if not np.isfinite(scores).all():
            row = int(np.flatnonzero(~np.isfinite(scores))[0])
            raise RunError(f"row {row + 1}: the policy gives it the score {scores[row]}, which is not a finite number.")
        return scores

    def _scores(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            inputs, reference = self._read(rows)
            outputs = self._model(inputs, self._injection)
            change = outputs if self._is_correction else outputs - reference
            scores: NDArray[np.float32] = (reference + change / self._divisor)[0].float().cpu().numpy()
        return scores


def checked_rows(features: object, names: Sequence[str]) -> NDArray[np.float32]:
    """`[list, features]`, an array of numbers with 32 bits.

    Args:
        features: what a user gave.
        names: of the columns.

    Raises:
        DataError: it is no such array, or has an infinite number.
    """
    expected = f"an array [documents, {len(names)}] of numbers, with the columns of `features`"
    if not isinstance(features, np.ndarray) or features.dtype.kind not in "fiu":
        kind = f"array of {features.dtype}" if isinstance(features, np.ndarray) else type(features).__name__
        raise DataError(f"a scorer takes {expected}, not {kind}.")
    if features.ndim != 2 or features.shape[1] != len(names):
        raise DataError(f"a scorer takes {expected}, not {list(features.shape)}.")
    with np.errstate(over="ignore"):
        rows = np.ascontiguousarray(features, dtype=np.float32)
    if np.isinf(rows).any():
        row, column = (int(place[0]) for place in np.nonzero(np.isinf(rows)))
        raise DataError(f"row {row + 1}, column {names[column]!r}: holds {features[row, column]}; write a finite number.")
    return rows
