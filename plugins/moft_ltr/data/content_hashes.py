"""Hashes of documents and queries by their content, which do not depend on the order of the file."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]


def document_hashes(features: NDArray[np.float32], labels: NDArray[np.float32]) -> Hashes:
    """`[items]`, a hash of each row of `features`, `[items, columns]`, and its labels, `[items, ...]`; -0 counts as 0."""
    rows = np.column_stack([features, labels]).astype(np.float32) + np.float32(0)
    factors = _mixed(np.arange(rows.shape[1], dtype=np.uint64))
    return _mixed((rows.view(np.uint32) * factors).sum(axis=1, dtype=np.uint64))


def query_hashes(documents: Hashes, lengths: NDArray[np.int64]) -> Hashes:
    """`[lists]`, a hash of the documents of each query, whose hashes are `[items]`; `lengths` is `[lists]`."""
    return _mixed(np.add.reduceat(documents, lengths.cumsum() - lengths))


def _mixed(values: Hashes) -> Hashes:
    """A one-to-one hash of 64-bit integers: the finaliser of SplitMix64 (Steele, Lea and Flood 2014)."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
