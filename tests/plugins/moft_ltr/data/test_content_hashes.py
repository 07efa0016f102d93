"""Hashes by content: no order of rows, columns told apart, and -0 as 0."""

from __future__ import annotations

import numpy as np

from moft_ltr.data.content_hashes import document_hashes, query_hashes


def made():
    draws = np.random.default_rng(0)
    return draws.standard_normal((50, 3)).astype(np.float32), draws.integers(0, 3, 50).astype(np.float32)


def test_documents_differ_by_values_by_their_columns_and_by_labels():
    features, labels = made()
    first = document_hashes(features, labels)
    assert len(np.unique(first)) == 50
    assert (document_hashes(features[:, ::-1], labels) != first).all()
    assert (document_hashes(features, labels + 1) != first).all()
    assert np.array_equal(document_hashes(features[::-1], labels[::-1]), first[::-1])
    assert document_hashes(np.array([[-0.0]], np.float32), labels[:1]) == document_hashes(
        np.zeros((1, 1), np.float32), labels[:1]
    )


def test_queries_do_not_depend_on_the_order_of_their_documents():
    hashes = document_hashes(*made())
    lengths = np.array([20, 30])
    moved = np.concatenate([hashes[:20][::-1], hashes[20:][::-1]])
    assert np.array_equal(query_hashes(hashes, lengths), query_hashes(moved, lengths))
    swapped = np.concatenate([hashes[1:21], hashes[:1], hashes[21:]])
    assert not np.array_equal(query_hashes(hashes, lengths), query_hashes(swapped, lengths))
