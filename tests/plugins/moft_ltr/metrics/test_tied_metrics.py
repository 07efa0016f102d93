"""Metrics of rankings: another library without ties, and the mean over every order with ties."""

from __future__ import annotations

import math
from itertools import pairwise, permutations

import ir_measures
import pytest
import torch
from torch.testing import assert_close

from moft_ltr.metrics.named_metrics import Labels, metric_of
from moft_ltr.metrics.ranking import ordered

NAMED = {
    "mrr": "RR",
    "mrr(rel=2)@3": "RR(rel=2)@3",
    "map": "AP",
    "map(rel=3)@4": "AP(rel=3)@4",
    "precision@5": "P@5",
    "precision(rel=2)@20": "P(rel=2)@20",
    "recall@3": "R@3",
    "recall(rel=2)@6": "R(rel=2)@6",
    "err@10": "ERR@10",
    "err@2": "ERR@2",
    "ndcg@4": "nDCG(dcg='log2')@4",
}
VALUES = ("value@1", "value@3", "mean-value@2", "mean-value@20")


def measured(text, scores, labels, items):
    """`[n, batch]`, with zeros for queries without anything relevant."""
    metric = metric_of(text, "it", 10)
    return metric(ordered(scores, items), Labels(labels, labels, items, items), "linear", "zero")


def of_one_order(text, labels):
    """The metric of one list of labels, best rank first, as its definition has it."""
    metric = metric_of(text, "it", 10)
    k, threshold = metric.k or len(labels), 1e-9 if metric.option is None else metric.option
    relevant = [label >= threshold for label in labels]
    match metric.name:
        case "ndcg":
            ideal = sum(g / math.log2(r + 2) for r, g in enumerate(sorted(labels, reverse=True)[:k]))
            return sum(g / math.log2(r + 2) for r, g in enumerate(labels[:k])) / ideal if ideal else 0.0
        case "mrr":
            return next((1 / (rank + 1) for rank in range(min(k, len(labels))) if relevant[rank]), 0.0)
        case "map":
            hits = [sum(relevant[: rank + 1]) / (rank + 1) for rank in range(min(k, len(labels))) if relevant[rank]]
            return sum(hits) / max(1, sum(relevant))
        case "err":
            there, found = 1.0, 0.0
            for rank, label in enumerate(labels[:k]):
                found += there * (2**label - 1) / 16 / (rank + 1)
                there *= 1 - (2**label - 1) / 16
            return found
        case "precision":
            return sum(relevant[:k]) / k
        case "recall":
            return sum(relevant[:k]) / max(1, sum(relevant))
        case "value":
            return sum(labels[:k])
    return sum(labels[:k]) / min(k, len(labels))


@pytest.fixture
def queries():
    """Padded lists: labels of 0 to 4, of which one has nothing relevant, and a mask of documents."""
    draws = torch.Generator().manual_seed(0)
    items = torch.arange(12) < torch.tensor([12, 2, 7, 1, 9, 5]).unsqueeze(1)
    labels = torch.randint(0, 5, (6, 12), generator=draws).float() * items
    labels[4] = 0
    return labels, items


@pytest.mark.parametrize(("text", "theirs"), NAMED.items())
def test_without_ties_another_library_measures_the_same(text, theirs, queries):
    labels, items = queries
    scores = torch.rand(1, 6, 12, generator=torch.Generator().manual_seed(1))
    found = measured(text, scores, labels, items)[0]
    docs = [(row, item) for row, item in items.nonzero().tolist()]
    judged = [ir_measures.Qrel(str(row), str(item), int(labels[row, item])) for row, item in docs]
    run = [ir_measures.ScoredDoc(str(row), str(item), scores[0, row, item].item()) for row, item in docs]
    if theirs.startswith("ERR"):  # whose program is in another language
        expected = {
            row: of_one_order(text, labels[row][scores[0, row].masked_fill(~items[row], -1).argsort(descending=True)].tolist())
            for row in range(6)
        }
    else:
        measure = ir_measures.parse_measure(theirs)
        expected = {int(each.query_id): each.value for each in ir_measures.iter_calc([measure], judged, run)}
    assert found.tolist() == pytest.approx([expected[row] for row in range(6)], abs=1e-6)


@pytest.mark.parametrize("text", [*NAMED, *VALUES])
@pytest.mark.parametrize("blocks", [(5,), (2, 3), (1, 4), (3, 1, 1), (2, 2, 1)])
def test_ties_count_as_the_mean_over_all_their_orders(text, blocks):
    draws = torch.Generator().manual_seed(sum(blocks[:1]))
    labels = torch.randint(0, 5, (4, 5), generator=draws).float()
    labels[1] = 0
    scores = torch.tensor([-float(block) for block, size in enumerate(blocks) for _ in range(size)]).expand(1, 4, 5)
    shuffled = torch.randperm(5, generator=draws)
    padded = torch.cat([labels[:, shuffled], torch.full((4, 2), 3.0)], 1)
    items = torch.arange(7).expand(4, 7) < 5
    found = measured(text, torch.cat([scores[..., shuffled], torch.full((1, 4, 2), 9.0)], -1), padded, items)[0]
    ends = [sum(blocks[:index]) for index in range(len(blocks) + 1)]
    orders = [
        order
        for order in permutations(range(5))
        if all(set(order[begin:end]) == set(range(begin, end)) for begin, end in pairwise(ends))
    ]
    expected = [
        sum(of_one_order(text, [row[item] for item in order]) for order in orders) / len(orders) for row in labels.tolist()
    ]
    assert found.tolist() == pytest.approx(expected, abs=1e-12)


def test_long_ties_stay_exact():
    """Three hundred documents of one score, one of which is relevant: it is at each rank with the same chance."""
    labels = torch.zeros(1, 300)
    labels[0, 77] = 1
    items = torch.ones(1, 300, dtype=torch.bool)
    found = measured("mrr", torch.zeros(1, 1, 300), labels, items)
    assert found.item() == pytest.approx(sum(1 / rank for rank in range(1, 301)) / 300, rel=1e-12)
    assert measured("mrr@10", torch.zeros(1, 1, 300), labels, items).item() == pytest.approx(
        sum(1 / rank for rank in range(1, 11)) / 300, rel=1e-12
    )


def test_a_list_counts_the_same_beside_lists_with_ties(queries):
    labels, items = queries
    scores = torch.rand(2, 6, 12, generator=torch.Generator().manual_seed(2))
    for text in NAMED:
        alone = measured(text, scores[:, :1], labels[:1], items[:1])
        tied = scores.clone()
        tied[:, 1:] = 0
        assert_close(measured(text, tied, labels, items)[:, :1], alone, rtol=1e-12, atol=1e-15)


ATTRIBUTES = {
    "exposure(shop=1)@3": 2,
    "exposure(shop=1)": 2,
    "parity(shop=1)@2": 2,
    "diversity(shop)@3": 4,
    "diversity(shop)@1": 4,
}


def of_one_attribute_order(text, shops):
    """A metric of attributes of one list, best rank first, as its definition has it."""
    metric = metric_of(text, "it", 10)
    k = min(metric.k or len(shops), len(shops))
    if metric.name == "diversity":
        return len(set(shops[:k])) / min(k, len(set(shops)))
    discounts = [1 / math.log2(rank + 2) for rank in range(k)]
    return sum(discount for discount, shop in zip(discounts, shops, strict=False) if shop == 1) / sum(discounts)


@pytest.mark.parametrize(("text", "values"), ATTRIBUTES.items())
@pytest.mark.parametrize("blocks", [(5,), (2, 3), (1, 4), (3, 1, 1), (1, 1, 1, 1, 1)])
def test_ties_of_attributes_count_as_the_mean_over_all_their_orders(text, values, blocks):
    draws = torch.Generator().manual_seed(sum(blocks[:1]))
    shops = torch.randint(0, values, (6, 5), generator=draws).float()
    shops[:, 0], shops[:, 1] = 1, 0
    scores = torch.tensor([-float(block) for block, size in enumerate(blocks) for _ in range(size)]).expand(1, 6, 5)
    padded = torch.cat([shops, torch.full((6, 2), 3.0)], 1)
    items = torch.arange(7).expand(6, 7) < 5
    labels = Labels(padded, padded, items, items, attributes={"shop": padded})
    metric = metric_of(text, "it", 10)
    found = metric(ordered(torch.cat([scores, torch.full((1, 6, 2), 9.0)], -1), items), labels, "linear", "zero")[0]
    ends = [sum(blocks[:index]) for index in range(len(blocks) + 1)]
    orders = [
        order
        for order in permutations(range(5))
        if all(set(order[begin:end]) == set(range(begin, end)) for begin, end in pairwise(ends))
    ]
    expected = [
        sum(of_one_attribute_order(text, [row[item] for item in order]) for order in orders) / len(orders)
        for row in shops.tolist()
    ]
    if metric.name == "parity":  # the distance is that of the mean exposure
        expected = [1 - abs(share - row.count(1) / 5) for share, row in zip(expected, shops.tolist(), strict=True)]
    assert found.tolist() == pytest.approx(expected, abs=1e-12)


def test_an_attribute_that_does_not_tell_documents_apart_counts_as_asked():
    items = torch.tensor([[True, True, False], [True, True, True]])
    shops = torch.tensor([[1.0, 1.0, 0.0], [math.nan, 1.0, 0.0]])
    labels = Labels(shops, shops, items, items, attributes={"shop": shops})
    for text in ("exposure(shop=1)", "parity(shop=1)@2", "diversity(shop)@2"):
        found = metric_of(text, "it", 10)(ordered(torch.zeros(1, 2, 3), items), labels, "linear", "skip")
        assert found[0, 0].isnan()
        assert not found[0, 1].isnan()
