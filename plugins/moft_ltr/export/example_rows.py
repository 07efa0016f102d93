"""Ten made-up documents of one query, and their scores, for who checks an export; no data of a user leaves the run."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from moft import RunError
from moft_ltr.base.base_source import BaseSource, RankerReader

if TYPE_CHECKING:
    from moft import OpenedRun

ROWS = 10
"""Number of documents."""

CLOSE = 1e-5
"""Absolute and relative tolerance of the scores of an export."""


@dataclass(frozen=True)
class ExampleCase:
    """A tradeoff, and the scores of example rows there.

    Args:
        weights: by objective, in order.
        dials: factors on the trained betas, one, or one for each objective.
        scores: of the rows, with 32 bits.
    """

    weights: Mapping[str, float]
    dials: tuple[float, ...]
    scores: tuple[float, ...]

    @property
    def dial(self) -> float | list[float]:
        """One factor on the trained betas, or one for each objective."""
        return self.dials[0] if len(set(self.dials)) == 1 else list(self.dials)

    def check(self, found: Sequence[float], what: str) -> None:
        """Checks that an export gives the same scores.

        Raises:
            RunError: it does not; the message begins with `what`.
        """
        if not np.allclose(found, self.scores, rtol=CLOSE, atol=CLOSE):
            worst = float(np.abs(np.asarray(found) - np.asarray(self.scores)).max())
            raise RunError(f"{what} gives scores that differ from those of the run by up to {worst:.3g}; nothing was written.")


def example_rows(reader: RankerReader, base: BaseSource) -> NDArray[np.float32]:
    """`[ROWS, columns]`: numbers as far apart as in training, some missing where some were, and categories of every kind.

    Args:
        reader: of arrays.
        base: where base scores come from; the last column holds them if they come from a column.
    """
    draws, scaling = np.random.default_rng(0), reader.network.scaling
    rows = draws.standard_normal((ROWS, len(reader.features)))
    inputs = scaling.mean + scaling.deviation * rows[:, : reader.inputs]
    inputs = np.where(scaling.logarithm, np.sign(inputs) * np.expm1(np.minimum(np.abs(inputs), 80)), inputs)
    lost = np.zeros(inputs.shape, dtype=bool)
    lost[:, scaling.missing] = draws.random((ROWS, len(scaling.missing))) < 0.3
    rows[:, : reader.inputs] = np.where(lost, np.nan, inputs)
    if base.trees is None and base.network is None:
        rows[:, -1] = base.mean + base.deviation * rows[:, -1]
    for place, name in enumerate(reader.features):
        if name in reader.categories:
            codes = draws.integers(-1, len(reader.categories[name]) + 1, ROWS).astype(float)
            rows[:, place] = np.where(codes < 0, np.nan, codes)
    return np.array([[float(f"{value:.4g}") for value in row] for row in rows.clip(-1e30, 1e30)], dtype=np.float32)


def example_case(run: OpenedRun, rows: NDArray[np.float32], weights: Sequence[float], dials: Sequence[float]) -> ExampleCase:
    """The scores of a run for rows, at weights in order and one dial, or one for each objective."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that other weights are served, which was said
        scores = run.scorer(list(weights), dial=list(dials) if len(set(dials)) > 1 else dials[0])(rows)
    return ExampleCase(dict(zip(run.names, weights, strict=True)), tuple(dials), tuple(float(str(score)) for score in scores))
