"""Length-grouped batches hold every list once, under their budget, with little padding."""

from __future__ import annotations

import torch

from moft.engine.batching import length_grouped, padding_share


def _lengths(count: int = 400) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return (torch.randn(count, generator=generator) * 0.7 + 4.5).exp().long().clamp(6, 400)


def test_every_list_stands_in_one_batch():
    for generator in (None, torch.Generator().manual_seed(1)):
        plan = length_grouped(_lengths(), 2048, generator)
        assert torch.cat(plan).sort().values.equal(torch.arange(400))


def test_no_batch_is_larger_than_the_budget_when_padded():
    lengths = _lengths()
    for lists in length_grouped(lengths, 2048, torch.Generator().manual_seed(1)):
        assert int(lengths[lists].max()) * len(lists) <= 2048


def test_a_list_longer_than_the_budget_is_a_batch_of_its_own():
    plan = length_grouped(torch.tensor([3, 50, 4]), 10)
    assert [lists.tolist() for lists in plan] == [[0, 2], [1]]


def test_no_lists_make_no_batches():
    assert length_grouped(torch.zeros(0, dtype=torch.long), 10) == []


def test_at_most_a_tenth_is_padding_with_shuffling_too():
    lengths = _lengths(4000)
    plan = length_grouped(lengths, 2048, torch.Generator().manual_seed(1))
    assert 0 < padding_share(lengths, plan) <= 0.10


def test_the_order_follows_the_generator_alone():
    plans = [length_grouped(_lengths(), 2048, torch.Generator().manual_seed(seed)) for seed in (5, 5, 6)]
    same = [first.equal(second) for first, second in zip(plans[0], plans[1], strict=True)]
    assert all(same)
    assert any(len(first) != len(second) or not first.equal(second) for first, second in zip(plans[0], plans[2], strict=False))
