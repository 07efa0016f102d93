"""NDCG: the formula written out, another library, and each convention."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from moft.engine.fronts.base_model_policy import BasePolicy
from moft.interfaces import Steered
from moft.types import Batch, Objective, Tradeoff
from moft_ltr.metrics.ndcg import NDCG, ndcg, ranking


def slow(scores, labels, k, gain):
    """NDCG@k of one list, as a textbook has it; documents of the same score have the mean gain of all of them."""
    gains = [2**label - 1 if gain == "exp2" else label for label in labels]
    tied = {score: [gains[item] for item, other in enumerate(scores) if other == score] for score in scores}

    def dcg(values):
        return sum(value / math.log2(rank + 1) for rank, value in enumerate(values[:k], start=1))

    ideal = dcg(sorted(gains, reverse=True))
    return dcg([sum(tied[s]) / len(tied[s]) for s in sorted(scores, reverse=True)]) / ideal if ideal > 0 else math.nan


@pytest.fixture
def scored():
    """Padded lists of 2 to 9 items with ties: scores `[n, batch, list]`, labels and items `[batch, list]`."""
    draws = torch.Generator().manual_seed(0)
    lengths = torch.tensor([2, 9, 5, 3, 7, 1])
    items = torch.arange(9) < lengths.unsqueeze(1)
    labels = torch.randint(0, 5, (6, 9), generator=draws).float() * items
    labels[3] = 0
    scores = torch.randint(-3, 3, (4, 6, 9), generator=draws).float()
    return scores, labels, items


@pytest.mark.parametrize("gain", ["linear", "exp2"])
@pytest.mark.parametrize("k", [1, 3, 10, 100])
def test_ndcg_is_the_written_out_formula(k, gain, scored):
    scores, labels, items = scored
    found = ndcg(ranking(scores, items, k), labels, items, gain, "skip")
    for n in range(len(scores)):
        for row, is_item in enumerate(items):
            expected = slow(scores[n, row][is_item].tolist(), labels[row][is_item].tolist(), k, gain)
            assert found[n, row].item() == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("gain", ["linear", "exp2"])
def test_ndcg_agrees_with_scikit_learn(gain):
    from sklearn.metrics import ndcg_score

    draws = np.random.default_rng(0)
    scores, labels = draws.standard_normal((20, 15)), draws.integers(0, 5, (20, 15))
    items = torch.ones(20, 15, dtype=torch.bool)
    for k in (1, 5, 10, 15):
        order = ranking(torch.tensor(scores).unsqueeze(0), items, k)
        found = ndcg(order, torch.tensor(labels).float(), items, gain, "skip")[0]
        gains = 2.0**labels - 1 if gain == "exp2" else labels
        expected = [ndcg_score(gains[row : row + 1], scores[row : row + 1].astype(np.float32), k=k) for row in range(20)]
        assert_close(found, torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize("values", [1, 2, 4, 12])
@pytest.mark.parametrize("k", [1, 2, 10, 30])
def test_ties_are_averaged_as_scikit_learn_averages_them(values, k):
    from sklearn.metrics import ndcg_score

    draws = np.random.default_rng(values)
    for length in (2, 3, 11, 25):
        scores, labels = draws.integers(0, values, (3, 6, length)) - 2.0, draws.integers(0, 3, (6, length))
        padded = torch.cat([torch.tensor(scores), torch.full((3, 6, 4), 9.0)], dim=-1)
        items = torch.arange(length + 4).expand(6, -1) < length
        with_padding = torch.cat([torch.tensor(labels), torch.full((6, 4), 7)], dim=-1).float()
        found = ndcg(ranking(padded, items, k), with_padding, items, "linear", "zero")
        expected = [[ndcg_score(labels[row : row + 1], given[row : row + 1], k=k) for row in range(6)] for given in scores]
        assert_close(found, torch.tensor(expected, dtype=torch.float64))


def test_the_order_of_tied_documents_does_not_matter():
    """Three scores over 30 documents: by the order of the file, NDCG@10 was anything between 0.4 and 0.95."""
    draws = torch.Generator().manual_seed(0)
    scores = torch.randint(0, 3, (1, 1, 30), generator=draws).float()
    labels, items = torch.randint(0, 5, (1, 30), generator=draws).float(), torch.ones(1, 30, dtype=torch.bool)
    for order in ([*range(30)], labels[0].argsort().tolist(), labels[0].argsort(descending=True).tolist()):
        found = ndcg(ranking(scores[..., order], items, 10), labels[:, order], items, "exp2", "skip")
        assert found.item() == pytest.approx(ndcg(ranking(scores, items, 10), labels, items, "exp2", "skip").item(), rel=1e-12)


def test_a_list_counts_the_same_beside_lists_with_ties():
    draws = torch.Generator().manual_seed(1)
    scores, labels = torch.randn(2, 2, 9, generator=draws), torch.randint(0, 5, (2, 9), generator=draws).float()
    items = torch.ones(2, 9, dtype=torch.bool)
    alone = ndcg(ranking(scores[:, :1], items[:1], 3), labels[:1], items[:1], "exp2", "skip")
    scores[:, 1] = 0
    together = ndcg(ranking(scores, items, 3), labels, items, "exp2", "skip")
    assert_close(together[:, :1], alone, rtol=1e-14, atol=0)


@pytest.mark.parametrize(("empty", "value"), [("skip", math.nan), ("one", 1.0), ("zero", 0.0)])
def test_a_list_without_gain_counts_as_asked(empty, value, scored):
    scores, labels, items = scored
    found = ndcg(ranking(scores, items, 10), labels, items, "linear", empty)
    assert_close(found[:, 3], torch.full((4,), value, dtype=torch.float64), equal_nan=True)
    assert not found[:, [0, 1, 2, 4]].isnan().any()


def test_documents_of_the_same_score_share_their_ranks():
    items = torch.ones(1, 5, dtype=torch.bool)
    ranked = ranking(torch.tensor([[[1.0, 2.0, 1.0, 2.0, 1.0]]]), items, 3)
    assert ranked.order.tolist() == [[[1, 3, 0, 2, 4]]]
    first = (1 + 1 / math.log2(3)) / 2
    assert ranked.shared.flatten().tolist() == pytest.approx([first, first, 1 / 6, 1 / 6, 1 / 6])


def test_padding_is_never_ranked_before_an_item():
    items = torch.tensor([[True, True, False, False]])
    scores = torch.tensor([[[-1e30, -1e38, 5.0, 6.0]]])
    assert ranking(scores, items, 2).order.tolist() == [[[0, 1]]]


def test_an_item_that_is_not_judged_gains_nothing():
    items, mask = torch.ones(1, 3, dtype=torch.bool), torch.tensor([[True, False, True]])
    order = ranking(torch.tensor([[[3.0, 2.0, 1.0]]]), items, 10)
    found = ndcg(order, torch.tensor([[1.0, 9.0, 1.0]]), mask, "linear", "skip")
    assert found.item() == pytest.approx(slow([3, 2, 1], [1, 0, 1], 10, "linear"))


class Fixed:
    """Answers the same scores whatever it is asked."""

    def __init__(self, scores):
        self.scores = scores

    def __call__(self, batch):
        return self.scores[:, batch.lists]


def batch_of(labels, items, main, rows):
    """The lists `rows`, with an objective and its reverse as labels."""
    both = torch.stack([labels, 4 - labels], dim=-1)[rows]
    return Batch(
        inputs={},
        labels=both,
        mask=items[rows].unsqueeze(-1).expand(both.shape),
        reference=torch.zeros(items[rows].shape),
        items=items[rows],
        main=main[rows],
        lists=rows,
    )


def test_an_evaluator_measures_every_objective_with_its_own_gain_and_the_main_one(scored):
    scores, labels, items = scored
    evaluator = NDCG((Objective("a", gain="linear"), Objective("b", gain="exp2")), Objective("main", gain="exp2"), k=3)
    batches = [batch_of(labels, items, labels, torch.tensor(rows)) for rows in ([4, 1], [0, 2, 3, 5])]
    found = evaluator(Fixed(scores), batches)
    assert found.lists.tolist() == [4, 1, 0, 2, 3, 5]
    measured = found.ordered()
    order = ranking(scores, items, 3)
    assert_close(measured.values[..., 0], ndcg(order, labels, items, "linear", "skip"), equal_nan=True)
    assert_close(measured.values[..., 1], ndcg(order, 4 - labels, items, "exp2", "skip"), equal_nan=True)
    assert_close(measured.main, ndcg(order, labels, items, "exp2", "skip"), equal_nan=True, check_dtype=False)


def test_without_a_main_objective_its_values_are_nan(scored):
    scores, labels, items = scored
    evaluator = NDCG((Objective("a"), Objective("b")), None)
    assert evaluator(Fixed(scores), [batch_of(labels, items, labels, torch.arange(6))]).main.isnan().all()


def test_the_metric_says_its_whole_convention():
    metric = NDCG(
        (Objective("clicks"), Objective("dwell", gain="exp2")), Objective("main", gain="exp2"), k=5, empty="zero"
    ).metric
    for part in (
        "NDCG@5",
        "clicks: the label itself",
        "dwell, main: 2^label - 1",
        "queries without gain count 0",
        "1/log2(rank+1)",
        "tied documents share their ranks",
    ):
        assert part in metric
    assert "are skipped" in NDCG((Objective("a"),), None).metric
    assert "count 1" in NDCG((Objective("a"),), None, empty="one").metric


def test_a_steered_policy_is_measured_at_every_tradeoff(prepared):
    task = prepared()
    tradeoff = Tradeoff(torch.eye(2), torch.ones(1, 2))
    evaluator = NDCG(task.objectives, task.main)
    found = evaluator(Steered(BasePolicy(task), tradeoff), task.batches("test"))
    assert found.values.shape == (2, 8, 2)
    assert_close(found.values[0], found.values[1], rtol=0, atol=0, equal_nan=True)
