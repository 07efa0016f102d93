"""Puts queries and documents into an order that depends on their content alone, so that the order of the file does not matter."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]


def canonical_order(
    blocks: Iterable[NDArray[np.float32]], labels: NDArray[np.float32], lengths: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The order of queries and documents by a hash of their features and labels.

    Documents that are equal in all of them may stand in any order. Being a hash, the order tells nothing about the labels; only
    the order of their values enters it, so that labels with the same gains give the same trees.

    Args:
        blocks: features of the documents, query by query, in blocks `[items, columns]`.
        labels: `[items]`.
        lengths: `[lists]`, documents of each query.

    Returns: `[items]`, the documents in their new order, query by query; and `[lists]`, the lengths of the queries in theirs.
    """
    grades = np.unique(labels, return_inverse=True)[1].astype(np.float32)
    hashes, begin = np.empty(len(labels), dtype=np.uint64), 0
    for block in blocks:
        rows = np.column_stack([block, grades[begin : begin + len(block)]]).astype(np.float32) + np.float32(0)  # no -0
        factors = _mixed(np.arange(rows.shape[1], dtype=np.uint64))
        hashes[begin : begin + len(block)] = _mixed((rows.view(np.uint32) * factors).sum(axis=1, dtype=np.uint64))
        begin += len(block)
    starts = lengths.cumsum() - lengths
    of_query = _mixed(np.add.reduceat(hashes, starts))
    query = np.repeat(np.arange(len(lengths)), lengths)
    return np.lexsort((hashes, query, of_query[query])), lengths[np.lexsort((np.arange(len(lengths)), of_query))]


def _mixed(values: Hashes) -> Hashes:
    """A one-to-one hash of 64-bit integers: the finaliser of SplitMix64 (Steele, Lea and Flood 2014)."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
