"""Feature scaling, fitted on the training split only: logarithm of heavy-tailed columns, then standardisation."""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
T = TypeVar("T", np.float32, np.float64)

HEAVY = 10.0  # a column with a value more standard deviations than this from its mean counts as heavy-tailed
LIMIT = 10.0  # scaled values are clipped to this many standard deviations, so that one outlier cannot dominate a query


@dataclass(frozen=True)
class FeatureScaling:
    """A fitted scaling: signed logarithm of some columns, then standardisation of all.

    Args:
        logarithm: `[columns]` bool, True where the signed logarithm is taken.
        mean: `[columns]`, subtracted after the logarithm.
        deviation: `[columns]`, divided by after the logarithm; one for a constant column, which becomes zero.
        missing: the columns, from 0, that had missing values where it was fitted.
    """

    logarithm: NDArray[np.bool_]
    mean: Floats
    deviation: Floats
    missing: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    def __call__(self, features: Floats) -> Floats:
        """`[items, columns]`, scaled features within +-10; a missing one is zero, as the mean is."""
        scaled = features.astype(np.float32, copy=True)
        scaled[:, self.logarithm] = signed_logarithm(scaled[:, self.logarithm])
        with np.errstate(over="ignore"):  # beyond 32 bits is beyond the limit
            scaled -= self.mean
            scaled /= self.deviation
        scaled[np.isnan(scaled)] = 0.0
        return scaled.clip(-LIMIT, LIMIT, out=scaled)


def fit_scaling(blocks: Iterable[Floats]) -> FeatureScaling:
    """Fits the scaling in one pass over `blocks`, each `[items, columns]`."""
    plain, logged = _Moments(), _Moments()
    for block in blocks:
        values = block.astype(np.float64)
        plain.add(values)
        logged.add(signed_logarithm(values))
    logarithm = (plain.extent() > HEAVY) & (logged.extent() < plain.extent())
    mean = np.where(logarithm, logged.mean(), plain.mean())
    deviation = np.where(logarithm, logged.deviation(), plain.deviation())
    scale = np.where(deviation > 0, deviation, 1.0).astype(np.float32)
    return FeatureScaling(logarithm, mean.astype(np.float32), scale, np.flatnonzero(plain.count < plain.rows))


def signed_logarithm(values: NDArray[T]) -> NDArray[T]:
    """`sign(x) log(1 + |x|)`, elementwise."""
    result: NDArray[T] = np.sign(values) * np.log1p(np.abs(values))
    return result


def feature_blocks(features: Floats, items: NDArray[np.int64], columns: NDArray[np.int64], size: int = 4096) -> Iterator[Floats]:
    """`features[items][:, columns]` in blocks of at most `size` documents, so a memory-mapped file is never all in memory."""
    for start in range(0, len(items), size):
        chosen = items[start : start + size]
        rows = features[chosen[0] : chosen[-1] + 1] if chosen[-1] - chosen[0] + 1 == len(chosen) else features[chosen]
        yield np.ascontiguousarray(rows[:, columns])
        release(features)


def read_column(features: Floats, items: NDArray[np.int64], column: int) -> Floats:
    """`features[items, column]`, read in blocks."""
    columns = np.array([column], dtype=np.int64)
    return np.concatenate([np.zeros(0, dtype=np.float32), *(block[:, 0] for block in feature_blocks(features, items, columns))])


def release(features: Floats) -> None:
    """Releases the pages of a memory-mapped file from this process; the system's file cache keeps them."""
    mapped: object = features.base
    if isinstance(mapped, mmap.mmap) and hasattr(mapped, "madvise"):
        mapped.madvise(mmap.MADV_DONTNEED)


class _Moments:
    """Running mean, standard deviation and extremes of columns, without missing values."""

    def __init__(self) -> None:
        self.rows = 0
        self.count = self.first = np.zeros(0)
        self.total = self.squares = np.zeros(0)
        self.low = self.high = np.zeros(0)

    def add(self, block: NDArray[np.float64]) -> None:
        known = ~np.isnan(block)
        self.rows += len(block)
        if not len(self.count):
            self.count = np.zeros(block.shape[1])
            self.total = self.squares = np.zeros(block.shape[1])
            self.low, self.high = np.full(block.shape[1], np.inf), np.full(block.shape[1], -np.inf)
            self.first = np.nan_to_num(block[0])
        shifted = np.where(known, block - self.first, 0.0)  # sums of squares about a value of the column keep their precision
        self.count = self.count + known.sum(0)
        self.total, self.squares = self.total + shifted.sum(0), self.squares + (shifted**2).sum(0)
        self.low, self.high = np.fmin(self.low, np.fmin.reduce(block)), np.fmax(self.high, np.fmax.reduce(block))

    def mean(self) -> NDArray[np.float64]:
        mean: NDArray[np.float64] = self.first + self.total / np.maximum(self.count, 1)
        return mean

    def deviation(self) -> NDArray[np.float64]:
        variance = np.maximum(self.squares / np.maximum(self.count, 1) - (self.total / np.maximum(self.count, 1)) ** 2, 0.0)
        deviation: NDArray[np.float64] = np.where(self.high > self.low, np.sqrt(variance), 0.0)
        return deviation

    def extent(self) -> NDArray[np.float64]:
        """Largest distance from the mean, in standard deviations; zero for a constant column."""
        distance = np.where(self.count > 0, np.maximum(self.high - self.mean(), self.mean() - self.low), 0.0)
        deviation = self.deviation()
        extent: NDArray[np.float64] = np.divide(distance, deviation, out=np.zeros_like(distance), where=deviation > 0)
        return extent
