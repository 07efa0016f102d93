"""Length-grouped batches hold every list once, under their budget, with little padding."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch

from moft.engine.data.length_batching import _BATCH_COST, _SHARE, _cheapest_cuts, length_grouped, padding_share


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


@pytest.mark.parametrize("budget", [1024, 2048])
def test_a_small_set_pads_little_too(budget):
    lengths = _lengths(100)
    shares = [padding_share(lengths, length_grouped(lengths, budget, torch.Generator().manual_seed(seed))) for seed in range(20)]
    assert sum(shares) / len(shares) <= 0.10


def test_a_larger_budget_makes_fewer_batches():
    counts = [len(length_grouped(_lengths(), budget)) for budget in (512, 2048, 8192)]
    assert counts == sorted(counts, reverse=True)
    assert len(set(counts)) == 3


def test_the_cuts_are_the_cheapest_of_all():
    sizes, budget = np.array([20, 3, 25, 90, 40, 100, 110, 300]), 260
    price = _BATCH_COST + budget / _SHARE

    def cost(cuts: list[int]) -> float:
        ends = np.cumsum(cuts)
        padded = [sizes[end - count : end].max() * count for end, count in zip(ends, cuts, strict=True)]
        is_allowed = all(size <= budget or count == 1 for size, count in zip(padded, cuts, strict=True))
        return sum(padded) + price * len(cuts) if is_allowed else float("inf")

    inner = [places for k in range(len(sizes)) for places in combinations(range(1, len(sizes)), k)]
    every = [np.diff([0, *places, len(sizes)]).tolist() for places in inner]
    assert cost(_cheapest_cuts(sizes, budget)) == min(map(cost, every))


def test_lists_without_items_are_batched_too():
    plan = length_grouped(torch.tensor([0, 2, 0]), 10)
    assert torch.cat(plan).sort().values.tolist() == [0, 1, 2]
