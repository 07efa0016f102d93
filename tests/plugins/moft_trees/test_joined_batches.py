"""Joined batches hold the same lists in the same order, with little padding."""

from __future__ import annotations

from dataclasses import replace

import torch

from moft.api import Batch
from moft_trees.joined_batches import ITEMS, join_batches


def batch_of(lists, longest, **more):
    generator = torch.Generator().manual_seed(longest)
    items = torch.arange(longest) < torch.randint(2, longest + 1, (lists, 1), generator=generator)
    items[0] = True
    labels = torch.rand(lists, longest, 2, generator=generator) * items.unsqueeze(-1)
    mask = items.unsqueeze(-1).expand(-1, -1, 2) & (labels < 0.9)
    return Batch({"table": labels}, labels, mask, labels[..., 0], items, labels[..., 1], torch.arange(lists), **more)


def test_documents_stay_in_their_order_with_all_that_losses_read():
    batches = [batch_of(3, 8), batch_of(2, 9), batch_of(4, 10), batch_of(2, 30)]
    batches = [
        replace(each, list_weights=torch.rand(len(each)), item_weights=each.labels + 1, attributes={"group": each.labels[..., 0]})
        for each in batches
    ]
    joined = join_batches(batches)
    assert [tuple(each.items.shape) for each in joined] == [(9, 10), (2, 30)]
    for read in (
        lambda each: each.labels[each.items],
        lambda each: each.mask[each.items],
        lambda each: each.reference[each.items],
        lambda each: each.item_weights[each.items],
        lambda each: each.attributes["group"][each.items],
        lambda each: each.items.sum(1),
        lambda each: each.list_weights,
        lambda each: each.lists,
    ):
        assert torch.cat([read(each) for each in joined]).equal(torch.cat([read(each) for each in batches]))
    assert not any(bool(each.mask[~each.items].any()) for each in joined)
    assert not any(each.inputs for each in joined)


def test_a_batch_that_is_large_stays_alone():
    large = batch_of(2, ITEMS // 2)
    assert [len(each) for each in join_batches([large, large, batch_of(1, 8), batch_of(1, 8)])] == [2, 2, 2]
