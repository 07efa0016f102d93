"""Puts queries and documents into an order that depends on their content alone, so that the order of the file does not matter."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from moft_ltr.data.content_hashes import Hashes, document_hashes, query_hashes


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
        end = begin + len(block)
        hashes[begin:end] = document_hashes(block, grades[begin:end])
        begin = end
    return order_of(hashes, lengths)


def order_of(hashes: Hashes, lengths: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The same from the hashes of the documents, `[items]`."""
    of_query = query_hashes(hashes, lengths)
    query = np.repeat(np.arange(len(lengths)), lengths)
    return np.lexsort((hashes, query, of_query[query])), lengths[np.lexsort((np.arange(len(lengths)), of_query))]
