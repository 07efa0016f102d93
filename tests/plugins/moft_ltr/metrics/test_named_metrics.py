"""Metrics that objectives name: what they measure in an evaluator, and the names and labels that are refused."""

from __future__ import annotations

import math

import pytest
import torch
from torch.testing import assert_close

from moft import ConfigError, DataError
from moft.engine.fronts.base_model_policy import BasePolicy
from moft.interfaces import Steered
from moft.testing import check_evaluator
from moft.types import Batch, Objective, Tradeoff
from moft_ltr.metrics.named_metrics import metric_of
from moft_ltr.metrics.ndcg import NDCG

SCORES = torch.tensor([[[3.0, 2.0, 1.0, 0.0], [0.0, 1.0, 2.0, 3.0]]])
ITEMS = torch.tensor([[True, True, True, True], [True, True, True, False]])


def batch_of(labels, raw=None, mask=None):
    """Two queries with one objective."""
    labels = torch.tensor(labels).unsqueeze(-1)
    return Batch(
        inputs={},
        labels=labels,
        mask=ITEMS.unsqueeze(-1) if mask is None else torch.tensor(mask).unsqueeze(-1),
        reference=torch.zeros(2, 4),
        items=ITEMS,
        main=labels[..., 0],
        lists=torch.arange(2),
        raw_labels=None if raw is None else torch.tensor(raw).unsqueeze(-1),
    )


def measured(objective, batch, **settings):
    return NDCG((objective,), None, **settings)(lambda _: SCORES, [batch])


EUROS = [[10.0, 0.0, 5.0, 1.0], [4.0, 2.0, 0.0, 0.0]]


def test_the_first_metric_is_the_value_and_the_others_are_beside_it():
    objective = Objective("revenue", metrics=("value@2", "precision@2", "mean-value@3"))
    found = measured(objective, batch_of(EUROS))
    assert found.values[..., 0].tolist() == [[10.0, 2.0]]
    assert {name: series.tolist() for name, series in found.more.items()} == {
        "revenue precision@2": [[0.5, 0.5]],
        "revenue mean-value@3": [[5.0, 2.0]],
    }


def test_metrics_read_the_labels_of_the_data_and_ndcg_those_of_the_loss():
    transformed = [[1.0, 0.0, 0.5, 0.1], [1.0, 0.5, 0.0, 0.0]]
    objective = Objective("revenue", metrics=("value@2", "ndcg@2"))
    found = measured(objective, batch_of(transformed, raw=EUROS))
    assert found.values[..., 0].tolist() == [[10.0, 2.0]]
    usual = measured(Objective("revenue"), batch_of(transformed), k=2)
    assert_close(found.more["revenue ndcg@2"], usual.values[..., 0], rtol=0, atol=0)


def test_what_is_not_judged_is_worth_nothing_and_a_query_without_labels_is_left_out():
    nan = math.nan
    mask = [[False, True, True, True], [False] * 4]
    found = measured(
        Objective("revenue", metrics=("value@3", "precision@2")), batch_of([[nan, 1.0, 5.0, 1.0], [nan] * 4], mask=mask)
    )
    assert_close(found.values[..., 0], torch.tensor([[6.0, nan]], dtype=torch.float64), equal_nan=True)
    assert_close(found.more["revenue precision@2"], torch.tensor([[0.5, nan]], dtype=torch.float64), equal_nan=True)


def test_a_query_without_anything_relevant_counts_as_asked_and_its_value_is_zero():
    labels = [[0.0] * 4, [1.0, 0.0, 0.0, 0.0]]
    for empty, value in (("skip", math.nan), ("one", 1.0), ("zero", 0.0)):
        found = measured(Objective("clicks", metrics=("mrr", "value@1", "err@2")), batch_of(labels), empty=empty)
        expected = torch.tensor([[value, 1 / 3]], dtype=torch.float64)
        assert_close(found.values[..., 0], expected, equal_nan=True)
        assert found.more["clicks value@1"].tolist() == [[0.0, 0.0]]


def test_the_main_objective_has_metrics_too():
    main = Objective("main", metrics=("err@3", "map"))
    found = NDCG((Objective("a"),), main)(lambda _: SCORES, [batch_of([[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 2.0, 0.0]])])
    assert found.main.tolist() == [[1 / 16, 3 / 16]]
    assert found.more["main map"].tolist() == [[1.0, 1.0]]


def test_the_metric_says_which_objective_is_measured_how():
    metric = NDCG((Objective("a", metrics=("value@5", "precision(rel=2)@3")), Objective("b")), None, empty="zero").metric
    for part in ("a value@5", "relevant is a label of 2 or more", "b NDCG@10", "count 0", "all orders of tied documents"):
        assert part in metric


def test_an_evaluator_with_named_metrics_keeps_its_contract(prepared):
    objectives = {
        "first": {"column": 9, "metric": ["mrr(rel=0.5)@5", "map(rel=0.5)"]},
        "second": {"column": 10, "metric": "value@3"},
    }
    task = prepared(objectives=objectives, main={"metric": "err@5"})
    steered = Steered(BasePolicy(task), Tradeoff(torch.eye(2), torch.ones(1, 2)))
    check_evaluator(NDCG(task.objectives, task.main), steered, list(task.batches("test")))


@pytest.mark.parametrize(
    ("text", "told"),
    {
        "valu@5": "no such metric; there are ndcg, mrr, map, err, precision, recall, value, mean-value",
        "value": "needs a number of ranks, such as value@5",
        "precision@0": "no such metric",
        "mrr(top=2)": "there is no option 'top'; mrr takes only rel, as in mrr(rel=2)@10",
        "value(rel=1)@5": "there is no option 'rel'; value takes no option",
        "exposure@5": "must name an attribute, as in exposure(provider=1)@10",
        "exposure(shop)@5": "must name an attribute, as in exposure(provider=1)@10",
        "diversity(shop=1)@5": "must name an attribute, as in diversity(category)@10",
        "diversity(shop)": "needs a number of ranks, such as diversity(shop)@5",
        "err(top=0)@5": "top is '0', not a number that is above 0 and at most 64",
        "precision(rel=x)@5": "rel is 'x', not a number that is finite",
    }.items(),
)
def test_a_metric_that_does_not_exist_is_refused_in_one_line(text, told):
    with pytest.raises(ConfigError, match="of 'a'") as refused:
        metric_of(text, "a", 10)
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_same_metric_twice_is_refused():
    with pytest.raises(ConfigError, match="one is listed twice"):
        NDCG((Objective("a", metrics=("mrr", "mrr")),), None)


@pytest.mark.parametrize(
    ("metric", "labels", "told"),
    [
        ("err@5", [[0.0, 1.0, 37.0, 0.0], [0.0] * 4], "document 3 of query 1 of the split has the label 37"),
        ("err@5", [[0.0] * 4, [0.0, -1.0, 0.0, 9.0]], "document 2 of query 2 of the split has the label -1"),
        ("precision@5", [[1.0, 2.0, 3.0, 4.0], [1.0, 1.0, 1.0, 0.0]], "in no query are some documents relevant"),
        ("mrr(rel=9)@5", [[1.0, 2.0, 3.0, 4.0], [0.0] * 4], "a label of 9 or more"),
        ("value@5", [[math.nan] * 4, [math.nan] * 4], "no label as in the data of which more is better"),
    ],
)
def test_labels_that_a_metric_does_not_fit_are_refused(metric, labels, told):
    evaluator = NDCG((Objective("a", label="column 3, as is", metrics=(metric,)),), None)
    with pytest.raises((ConfigError, DataError)) as refused:
        evaluator.check_labels([batch_of(labels)], is_whole=True)
    assert told in str(refused.value)


def test_of_a_few_lists_nothing_is_said_to_be_missing():
    evaluator = NDCG((Objective("a", metrics=("precision@5",)),), None)
    evaluator.check_labels([batch_of([[1.0] * 4, [1.0] * 4])], is_whole=False)


def test_a_label_that_is_inverted_has_no_value_in_the_data(prepared):
    objectives = {"first": {"column": 9, "transform": "invert", "metric": "value@3"}, "second": {"column": 10}}
    task = prepared(objectives=objectives)
    with pytest.raises(DataError, match="value@3 of 'first': there is no label as in the data of which more is better"):
        NDCG(task.objectives, task.main).check_labels(task.batches("test"), is_whole=True)


def test_an_inverted_label_keeps_its_ndcg_beside_labels_with_other_metrics(prepared):
    inverted = {"column": 9, "transform": "invert"}
    one, other = (
        prepared(objectives={"first": inverted, "second": second})
        for second in ({"column": 10, "metric": "value@3"}, {"column": 10})
    )
    values = [
        NDCG(task.objectives, task.main)(
            Steered(BasePolicy(task), Tradeoff(torch.eye(2), torch.ones(1, 2))), task.batches("test")
        ).values
        for task in (one, other)
    ]
    assert_close(values[0][..., 0], values[1][..., 0], rtol=0, atol=0, equal_nan=True)
    assert not values[0][..., 0].isnan().all()
