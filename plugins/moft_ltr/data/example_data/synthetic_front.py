"""The best front that linear scalarisation can reach on synthetic data, computed from the labels without any training."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from moft_ltr.data.converted.dataset_folder import Floats, Integers

METRIC = "NDCG@10, linear gain, tied documents share their ranks, queries without positive labels skipped"
CUTOFF = 10

Values = npt.NDArray[np.float64]


class KnownFront:
    """The metric of the optimal ranking at each weighting, accumulated query by query as the data is made.

    For labels z_j, the sum over j of w_j times the cross entropy of softmax(s) with softmax(z_j) has its minimum where
    softmax(s) = sum_j w_j softmax(z_j). Where labels are functions of the features, no network can do better.

    Args:
        objectives: m; labels are the last m columns of the rows.
    """

    def __init__(self, objectives: int) -> None:
        self.weights = grid(objectives)
        self._sums = np.zeros_like(self.weights)
        self._counts = np.zeros(objectives)

    @property
    def values(self) -> Values:
        """`[n, m]`, mean of the metric over the queries that count, at each weighting; NaN where none does."""
        with np.errstate(invalid="ignore"):
            return self._sums / self._counts

    def measure_through(self, blocks: Iterator[tuple[Floats, Floats]], offsets: Integers) -> Iterator[tuple[Floats, Floats]]:
        """Passes the blocks, of whole queries, on unchanged, and measures each."""
        number = 0
        for rows, relevance in blocks:
            labels = rows[:, -self.weights.shape[1] :].astype(np.float64)
            begin = offsets[number]
            while number + 1 < len(offsets) and offsets[number + 1] - begin <= len(rows):
                self._measure(labels[offsets[number] - begin : offsets[number + 1] - begin])
                number += 1
            yield rows, relevance

    def write(self, path: Path, objectives: list[str]) -> None:
        """Writes weights and values as JSON; null where no query counts for an objective."""
        values = [
            [value if count else None for value, count in zip(row, self._counts, strict=True)] for row in self.values.tolist()
        ]
        points = [{"weights": w, "values": v} for w, v in zip(self.weights.tolist(), values, strict=True)]
        known = {
            "schema": 1,
            "split": "test",
            "objectives": objectives,
            "metric": METRIC,
            "score": "log sum_j w_j softmax(label_j), the optimum of the weighted ListNet losses",
            "points": points,
        }
        path.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")

    def _measure(self, labels: Values) -> None:
        """Adds one query, `[list, m]`."""
        targets = np.exp(labels - labels.max(axis=0))
        targets /= targets.sum(axis=0)
        scores = np.round(self.weights @ targets.T, 12)  # documents with the same labels must tie despite rounding errors
        measured = ndcg(scores, labels)
        counts = ~np.isnan(measured[0])
        self._sums[:, counts] += measured[:, counts]
        self._counts += counts


def grid(objectives: int) -> Values:
    """`[n, m]`: w_1 = 0, 0.1, ..., 1 for two objectives, otherwise the vertices and the centroid."""
    if objectives == 1:
        return np.ones((1, 1))
    if objectives == 2:
        tenths = np.arange(11) / 10
        return np.column_stack([tenths, tenths[::-1]])
    return np.vstack([np.eye(objectives), np.full((1, objectives), 1 / objectives)])


def ndcg(scores: Values, labels: Values) -> Values:
    """`[n, m]`, the metric of each objective when a query is ranked by each of n scores; NaN where no label is positive.

    It is written without torch, which `moft data make` would take seconds to import.

    Args:
        scores: `[n, list]`.
        labels: `[list, m]`, not negative.
    """
    size = len(labels)
    discounts = np.where(np.arange(size) < CUTOFF, 1 / np.log2(np.arange(size) + 2), 0.0)
    best = discounts @ -np.sort(-labels, axis=0)  # [m]
    sums = np.concatenate([[0.0], discounts.cumsum()])
    gained = np.empty((len(scores), labels.shape[1]))
    for row, found in enumerate(-scores):
        ranked = np.sort(found)
        first, end = np.searchsorted(ranked, found, "left"), np.searchsorted(ranked, found, "right")  # [list], of its ties
        gained[row] = (sums[end] - sums[first]) / (end - first) @ labels
    with np.errstate(invalid="ignore"):
        return np.where(best > 0, gained / best, np.nan)
