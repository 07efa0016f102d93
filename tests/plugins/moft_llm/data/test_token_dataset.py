"""Lists of tokens on the device: batches hold what the lists hold, whatever they are padded to."""

from __future__ import annotations

import pytest
import torch

from moft_llm.data.token_dataset import token_dataset_of
from moft_llm.data.tokenization import Counts, TokenizedLists

PROMPTS = torch.tensor([2, 1, 3, 2])
SIZES = torch.tensor([2, 3, 2, 4])
RESPONSES = torch.tensor([1, 2, 3, 1, 1, 2, 2, 1, 1, 2, 5])


@pytest.fixture
def data():
    tokens = torch.arange(int(PROMPTS.sum() + RESPONSES.sum()), dtype=torch.int32) + 10
    items = len(RESPONSES)
    return TokenizedLists(
        tokens=tokens,
        prompt_lengths=PROMPTS,
        sizes=SIZES,
        response_lengths=RESPONSES,
        labels=torch.arange(items * 2.0).reshape(items, 2) + 1,
        mask=torch.arange(items * 2).reshape(items, 2) % 3 != 0,
        texts=("a", "b", "c", "d"),
        scorer_prompts=("A", "B", "C", "D"),
        leading_space=" ",
        opening="<think>",
        where=("", "", "", ""),
        counts=Counts(4, items, len(tokens), 0, 0, 0, {}),
    )


@pytest.fixture
def store(data):
    return token_dataset_of(data, torch.device("cpu"))


def parts_of(data, index):
    """Tokens of a list's prompt and of each of its responses, one after the other."""
    first = int(data.sizes[:index].sum())
    lengths = [int(data.prompt_lengths[index]), *data.response_lengths[first : first + int(data.sizes[index])].tolist()]
    start = int(data.lengths[:index].sum())
    return torch.split(data.tokens[start : start + sum(lengths)].long(), lengths)


def test_a_batch_has_the_prompts_that_scorers_read(store):
    batch = store.batch(torch.tensor([3, 0, 2]), 64)
    assert (batch.scorer_prompts, batch.leading_space, batch.opening) == (("D", "A", "C"), " ", "<think>")
    assert batch.select(torch.tensor([2, 2, 0])).scorer_prompts == ("C", "C", "D")


def test_a_batch_holds_its_lists_in_order(store, data):
    batch = store.batch(torch.tensor([3, 0, 2]), 64)
    assert batch.lists.tolist() == [3, 0, 2]
    for row, index in enumerate([3, 0, 2]):
        tokens, segments = batch.inputs["tokens"][row], batch.inputs["segments"][row]
        parts = parts_of(data, index)
        inside = int(data.lengths[index])
        assert tokens[:inside].tolist() == torch.cat(parts).tolist()
        assert segments[:inside].tolist() == [number for number, part in enumerate(parts) for _ in part]
        assert (segments[inside:] == -1).all()
        first, size = int(data.sizes[:index].sum()), int(data.sizes[index])
        assert batch.items[row].tolist() == [place < size for place in range(4)]
        assert batch.labels[row, :size].equal(data.labels[first : first + size])
        assert batch.mask[row, :size].equal(data.mask[first : first + size])
    assert batch.inputs["items"].equal(batch.items)
    assert batch.inputs["tokens"].dtype == batch.inputs["segments"].dtype == torch.int64


def test_padding_is_finite_and_of_no_weight(store):
    store.reference.fill_(7.0)
    batch = store.batch(torch.tensor([1, 3]), 64)
    assert (batch.inputs["tokens"][batch.inputs["segments"] < 0] == 0).all()
    outside = ~batch.items
    assert not batch.mask[outside].any()
    assert (batch.labels[outside] == 0).all()
    assert (batch.reference[outside] == 0).all()
    assert (batch.reference[batch.items] == 7).all()
    assert (batch.main == 0).all()


def test_a_pass_holds_every_list_once_within_the_budget(store, data):
    budget = 24
    for generator in (None, torch.Generator().manual_seed(0)):
        batches = store.batches(budget, generator)
        assert sorted(index for lists in batches.plan for index in lists.tolist()) == [0, 1, 2, 3]
        for batch in batches:
            assert batch.inputs["tokens"].numel() <= budget
            assert batch.inputs["tokens"].shape[1] == data.lengths[batch.lists].max()


def test_a_list_longer_than_the_budget_is_a_batch_of_its_own(store):
    assert [len(lists) for lists in store.batches(1).plan] == [1, 1, 1, 1]


def test_as_many_tradeoffs_are_folded_in_as_the_budget_has_room_for(store, data):
    assert store.batch(torch.tensor([0]), 21).rows == 21 // int(data.lengths[0])
    assert store.batch(torch.tensor([3]), 2).rows == 1


def cost(data, lists):
    """Tokens of rows of one response each, padding included."""
    rows = [(int(data.prompt_lengths[index]), len(part)) for index in lists for part in parts_of(data, index)[1:]]
    return len(rows) * max(prompt + response for prompt, response in rows)


@pytest.mark.parametrize("budget", [1, 12, 20, 40, 100])
@pytest.mark.parametrize("whole", [0, 6])
def test_lists_that_are_taken_apart_keep_the_budget_too(data, whole, budget):
    store = token_dataset_of(data, torch.device("cpu"), whole)
    for generator in (None, torch.Generator().manual_seed(0)):
        plan = [lists.tolist() for lists in store.batches(budget, generator).plan]
        assert sorted(index for lists in plan for index in lists) == [0, 1, 2, 3]
        for lists in plan:
            is_apart = max(int(data.lengths[index]) for index in lists) > whole
            tokens = cost(data, lists) if is_apart else len(lists) * max(int(data.lengths[index]) for index in lists)
            assert tokens <= budget or len(lists) == 1
            assert store.batch(torch.tensor(lists), budget).rows <= max(1, budget * len(lists) // tokens)


def test_a_prompt_counts_once_for_each_response_that_is_taken_apart(data):
    store = token_dataset_of(data, torch.device("cpu"), 0)
    assert len(store.batches(12).plan) == 4
    assert len(token_dataset_of(data, torch.device("cpu")).batches(24).plan) < len(store.batches(24).plan)
    assert store.batch(torch.tensor([3]), 60).rows == 60 // cost(data, [3])


@pytest.mark.parametrize("budget", [1, 16, 24, 100])
def test_a_window_that_no_list_is_longer_than_changes_no_plan(data, budget):
    for seed in (0, 1):
        plans = [
            token_dataset_of(data, torch.device("cpu"), whole).batches(budget, torch.Generator().manual_seed(seed)).plan
            for whole in (None, int(data.lengths.max()))
        ]
        assert [lists.tolist() for lists in plans[0]] == [lists.tolist() for lists in plans[1]]


def test_reference_scores_go_where_their_items_are(store):
    for batch in store.batches(16, torch.Generator().manual_seed(1)):
        scores = 100.0 * batch.lists.unsqueeze(1) + torch.arange(batch.items.shape[1])
        store.fill(scores.requires_grad_(), batch)
    expected = [100.0 * index + place for index, size in enumerate(SIZES.tolist()) for place in range(size)]
    assert store.reference.tolist() == expected
    assert store.batch(torch.tensor([2, 0]), 16).reference.tolist() == [[200.0, 201.0], [0.0, 1.0]]


def test_a_list_is_the_same_in_any_batch(store):
    alone, beside = store.batch(torch.tensor([0]), 64), store.batch(torch.tensor([3, 0]), 64)
    width = alone.inputs["tokens"].shape[1]
    assert beside.inputs["tokens"][1, :width].equal(alone.inputs["tokens"][0])
    assert beside.inputs["segments"][1, :width].equal(alone.inputs["segments"][0])
