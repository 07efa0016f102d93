"""The canonical order: the same for any order of the file, and a permutation that keeps queries together."""

from __future__ import annotations

import numpy as np

from moft_ltr.base.canonical_order import canonical_order


def made(seed, repeated=False):
    """Features `[items, columns]`, labels and lengths of made-up queries."""
    draws = np.random.default_rng(seed)
    lengths = draws.integers(1, 9, 30)
    features = draws.standard_normal((lengths.sum(), 4)).astype(np.float32)
    if repeated:
        features = features.round()
    return features, draws.integers(0, 3, lengths.sum()).astype(np.float32), lengths


def ordered(features, labels, lengths, size=7):
    blocks = (features[begin : begin + size] for begin in range(0, len(features), size))
    order, sizes = canonical_order(blocks, labels, lengths)
    assert sorted(order) == list(range(len(labels)))
    assert sorted(sizes) == sorted(lengths)
    query = np.repeat(np.arange(len(lengths)), lengths)[order]
    assert (np.diff(query) != 0).sum() == len(lengths) - 1
    assert np.diff(np.flatnonzero(np.diff(query, prepend=-1, append=-1))).tolist() == sizes.tolist()
    return features[order], labels[order], sizes


def test_shuffled_queries_and_documents_come_out_the_same():
    for repeated in (False, True):
        features, labels, lengths = made(0, repeated)
        first = ordered(features, labels, lengths)
        draws, starts = np.random.default_rng(1), lengths.cumsum() - lengths
        queries = draws.permutation(len(lengths))
        moved = np.concatenate([starts[query] + draws.permutation(lengths[query]) for query in queries])
        second = ordered(features[moved], labels[moved], lengths[queries])
        assert all(np.array_equal(one, other) for one, other in zip(first, second, strict=True))


def test_the_order_does_not_follow_labels_or_features():
    features, labels, _ = made(2)
    _, found, _ = ordered(features, labels, np.array([len(labels)]))
    assert abs(np.corrcoef(found, np.arange(len(found)))[0, 1]) < 0.2


def test_minus_zero_is_zero():
    features, labels, lengths = np.array([[0.0], [1.0]], dtype=np.float32), np.zeros(2, np.float32), np.array([2])
    one, _ = canonical_order([features], labels, lengths)
    other, _ = canonical_order([np.where(features == 0, np.float32(-0.0), features)], labels, lengths)
    assert one.tolist() == other.tolist()
