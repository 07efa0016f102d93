"""Labels are scaled within each query, mixed by the weights, and put into an order that the file does not decide."""

from __future__ import annotations

import torch
from torch.testing import assert_close

from moft.api import Batch, Batches, FeatureTable
from moft_ltr.lightgbm_ls.mixed_labels import ScaledLabels, read_documents, scaled_labels

NAN = torch.nan


def batch_of(labels, main, items=None, **more):
    """A batch from labels `[batch, list, m]` with NaN where one is missing."""
    labels, main = torch.tensor(labels), torch.tensor(main)
    items = torch.ones(main.shape, dtype=torch.bool) if items is None else torch.tensor(items)
    known = ~labels.isnan() & items.unsqueeze(-1)
    lists = torch.arange(len(main))
    return Batch({"items": items}, labels.nan_to_num(0.0), known, torch.zeros_like(main), items, main, lists, **more)


def test_labels_are_scaled_within_the_query_and_constant_queries_say_nothing():
    batch = batch_of(
        [[[2.0, 5.0], [6.0, 5.0], [4.0, 5.0]], [[0.0, 1.0], [0.0, 1.0], [9.0, 9.0]]],
        [[0.0, 1.0, 4.0], [2.0, 2.0, 9.0]],
        [[True, True, True], [True, True, False]],
    )
    expected = [[[0.0, 0.0, 0.0], [1.0, 0.0, 0.25], [0.5, 0.0, 1.0]], [[0.0, 0.0, 0.0]] * 3]
    assert scaled_labels(batch).tolist() == expected


def test_a_document_without_a_label_counts_as_zero_and_does_not_move_the_others():
    batch = batch_of([[[NAN], [3.0], [5.0], [4.0]], [[NAN], [NAN], [NAN], [NAN]]], [[0.0, 0.0, 0.0, 0.0]] * 2)
    assert scaled_labels(batch)[..., 0].tolist() == [[0.0, 0.0, 1.0, 0.5], [0.0] * 4]


def test_labels_count_by_the_weights_of_their_documents():
    weights = torch.tensor([[[4.0], [1.0], [2.0]]])
    batch = batch_of([[[1.0], [0.0], [0.5]]], [[0.0, 0.0, 1.0]], item_weights=weights)
    assert scaled_labels(batch).tolist() == [[[4.0, 0.0], [0.0, 0.0], [1.0, 1.0]]]


def test_labels_are_mixed_by_the_weights_and_the_share_of_the_main_label():
    labels = ScaledLabels(
        torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5], [0.0, 0.0]]).double(), torch.tensor([0, 0.5, 1, 0.5]).double()
    )
    weights = torch.tensor([0.25, 0.75])
    assert_close(labels.mixed(weights, 0.0), torch.tensor([0.25, 0.75, 0.5, 0.0]).double())
    assert_close(labels.mixed(weights, 0.5), torch.tensor([0.125, 0.625, 0.75, 0.25]).double())
    assert labels.mixed(weights, 1.0).equal(labels.main)


def test_mixed_labels_have_thousandths_and_are_at_most_one():
    draws = torch.rand(5000, 2, generator=torch.Generator().manual_seed(0)).double()
    found = ScaledLabels(draws * 7, draws[:, 0]).mixed(torch.tensor([0.3, 0.7]), 0.4)
    assert found.max() == 1
    assert len(found.unique()) <= 1001
    assert_close(found * 1000, (found * 1000).round())


def test_the_order_of_documents_depends_on_their_content_alone():
    generator = torch.Generator().manual_seed(0)
    table, labels = torch.rand(4, 5, 3, generator=generator), torch.rand(4, 5, 2, generator=generator)
    weights = torch.tensor([1.0, 2.0, 3.0, 4.0])

    def read(queries, documents):
        def load(lists):
            at = queries[lists][:, None], documents
            main = labels[..., 0] * 2
            items = torch.ones(len(lists), 5, dtype=torch.bool)
            whole = torch.ones(len(lists), 5, 2, dtype=torch.bool)
            inputs = {"items": items, "table": table[at]}
            given = labels[at], whole, torch.zeros(len(lists), 5), items, main[at], lists
            return Batch(inputs, *given, list_weights=weights[queries[lists]])

        return read_documents(lambda: Batches([torch.tensor([0, 1]), torch.tensor([2, 3])], load), FeatureTable(("a", "b", "c")))

    first, second = read(torch.arange(4), torch.arange(5)), read(torch.tensor([2, 0, 3, 1]), torch.tensor([4, 1, 0, 3, 2]))
    for (documents, scaled), (others, same) in [(first, second)]:
        (features,), (moved,) = documents.blocks, others.blocks
        assert (features == moved).all()
        assert documents.lengths.tolist() == [5] * 4
        assert documents.weights.equal(others.weights)
        assert scaled.objectives.equal(same.objectives)
        assert scaled.main.equal(same.main)
        row = (table == torch.from_numpy(features[0])).all(-1).nonzero()[0]
        assert documents.weights[0] == weights[row[0]]
