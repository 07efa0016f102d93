"""The ranking task with weights of queries and documents: inputs, losses, metrics and the report of a run."""

from __future__ import annotations

import json

import pytest
import torch
from torch.testing import assert_close

from moft import ConfigError
from moft.engine.fronts.base_model_policy import BasePolicy, base_values
from moft.engine.losses.objective_losses import ObjectiveLosses
from moft.interfaces import Steered
from moft.testing import check_evaluator, check_task
from moft.types import Tradeoff
from moft_losses.pairwise_logistic import PairwiseLogistic
from moft_ltr.metrics.ndcg import NDCG
from moft_ltr.metrics.tied_metrics import mean_over_queries


@pytest.fixture(scope="module")
def weighted(lists, tmp_path_factory):
    """The lists with three more columns: a weight and a segment of each query, and a propensity of each document."""
    folder = tmp_path_factory.mktemp("weighted")
    for file in lists.glob("*.txt"):
        out, number, place, last = [], -1, 0, None
        for line in file.read_text().splitlines():
            if line.startswith("#"):
                continue
            words = line.split(" #")[0].split()
            place = place + 1 if words[1] == last else 0
            number, last = number + (words[1] != last), words[1]
            out.append(f"{' '.join(words)} 11:{1 + number % 3} 12:{number % 2} 13:{1 / (1 + place):.6g}")
        (folder / file.name).write_text("\n".join(out) + "\n")
    return folder


SETTINGS = {"query_weight": 11, "segment": 12, "propensity": {"column": 13, "clip": 0.2}}


def test_a_weighted_task_keeps_its_contract(prepared, weighted):
    task = prepared(data=weighted, **SETTINGS)
    check_task(task)
    steered = Steered(BasePolicy(task), Tradeoff(torch.eye(2), torch.ones(1, 2)))
    check_evaluator(NDCG(task.objectives, task.main), steered, list(task.batches("test")))


def test_columns_of_weights_are_no_inputs_and_change_no_label(prepared, weighted):
    task, plain = prepared(data=weighted, **SETTINGS), prepared(data=weighted, exclude=[11, 12, 13])
    for one, other in zip(task.batches("train"), plain.batches("train"), strict=True):
        assert one.inputs["features"].equal(other.inputs["features"])
        assert one.labels.equal(other.labels)
        assert (other.list_weights, other.item_weights) == (None, None)


def test_batches_carry_the_weights_of_their_queries(prepared, weighted):
    task = prepared(data=weighted, **SETTINGS)
    whole = task.batches("train")
    assert whole.weights.tolist() == [1.0, 2.0, 3.0] * 8
    assert whole.segments == ("0", "1") * 12
    for batch in whole:
        assert_close(batch.list_weights, (1 + batch.lists % 3) / 2.0)
        expected = (torch.arange(batch.items.shape[1]) + 1.0).clamp(max=5).expand(batch.items.shape)
        assert_close(batch.item_weights[..., 0][batch.items], expected[batch.items])
        some = batch.select(torch.tensor([1, 0]))
        assert some.list_weights.equal(batch.list_weights[[1, 0]])
        assert some.item_weights.equal(batch.item_weights[[1, 0]])


def test_losses_and_means_are_weighted(prepared, weighted):
    task, plain = prepared(data=weighted, **SETTINGS), prepared(data=weighted, exclude=[11, 12, 13])
    evaluator = NDCG(task.objectives, task.main)
    one, other = (base_values(each, evaluator, "test") for each in (task, plain))
    assert one.weights.tolist() == [1, 2, 3, 1, 2, 3, 1, 2]
    assert_close(one.mean(one.main), (one.main * one.weights).sum(1) / 15)  # the main objective has no propensities
    assert_close(one.main, other.main)
    assert not one.values.equal(other.values)
    losses = ObjectiveLosses(task.objectives, PairwiseLogistic())
    batch = next(iter(task.batches("train")))
    correction = torch.randn(batch.items.shape, generator=torch.Generator().manual_seed(0))
    found = losses(correction, batch, torch.ones(1, 2))
    assert_close(found, losses.unweighted(correction, batch, torch.ones(1, 2)) * batch.list_weights.unsqueeze(1))


def test_an_inverse_propensity_multiplies_the_gain_of_a_document(prepared, weighted):
    task = prepared(data=weighted, objectives={"a": {"column": 9, "metric": "value@3"}}, **SETTINGS)
    plain = prepared(data=weighted, objectives={"a": {"column": 9, "metric": "value@3"}}, exclude=[11, 12, 13])
    for one, other in zip(task.batches("test"), plain.batches("test"), strict=True):
        scores = torch.randn(1, *one.items.shape, generator=torch.Generator().manual_seed(1))
        by_hand = other.labels * one.item_weights * one.items.unsqueeze(-1)
        order = scores[0].masked_fill(~one.items, -9).argsort(-1, descending=True)[:, :3]
        expected = by_hand[..., 0].gather(1, order).sum(1)
        assert_close(NDCG(task.objectives, None)(lambda _, s=scores: s, [one]).values[0, :, 0].float(), expected)


def test_a_metric_that_is_no_sum_cannot_weight_documents(prepared, weighted):
    task = prepared(data=weighted, objectives={"a": {"column": 9, "metric": "mrr(rel=0.5)@3"}}, **SETTINGS)
    with pytest.raises(ConfigError, match=r"mrr\(rel=0.5\)@3 of 'a': cannot weight documents by their propensity"):
        NDCG(task.objectives, task.main).check_labels(task.batches("test"), is_whole=False)


def test_a_run_with_weights_says_so_and_has_its_segments(moft, config, weighted, tmp_path):
    out = tmp_path / "run"
    words = ["task.query_weight=11", "task.segment=12", "task.propensity={column: 13, objectives: [first]}"]
    sets = [word for setting in [f"task.data={weighted}", *words] for word in ("--set", setting)]
    assert moft("train", config, "--out", out, *sets).code == 0
    record = json.loads((out / "front.json").read_text())
    assert "Means are weighted: queries count as the data says." in record["notes"]
    assert [(each["name"], each["lists"]) for each in record["segments"]] == [("0", 4), ("1", 4)]
    share = {each["name"]: each["share"] for each in record["segments"]}
    assert share == {"0": pytest.approx(7 / 15), "1": pytest.approx(8 / 15)}
    for at, point in enumerate(record["points"]):
        mean = sum(share[each["name"]] * each["points"][at]["main"] for each in record["segments"])
        assert mean == pytest.approx(point["main"])
    assert record["run"]["data"]["weights"] == {"queries": "column 11", "documents": "1 / column 13, clipped at 0.01, for first"}
    page = (out / "report.html").read_text()
    assert "<summary>0: 4 queries, 47&nbsp;% of the weight</summary>" in page
    other = moft(
        "train", config, "--out", tmp_path / "plain", "--set", f"task.data={weighted}", "--set", "task.exclude=[11,12,13]"
    )
    assert other.code == 0
    assert moft("compare", out, tmp_path / "plain").code == 2
    assert moft("profile", out).code == 0
    assert moft("compare", out, out / "profiles" / "test-3", "--out", tmp_path / "both").code == 0
    entry = json.loads((tmp_path / "both" / "comparison.json").read_text())["entries"][0]
    assert entry["hypervolume"]["value"] == pytest.approx(record["hypervolume"]["value"])
    assert [point["values"] for point in entry["points"][0]] == [pytest.approx(point["values"]) for point in record["points"]]
    assert entry["points"][0][0]["ci"] == [pytest.approx(bounds, abs=0.2) for bounds in record["points"][0]["ci"]]


@pytest.mark.parametrize(
    "base",
    [{"name": "lambdamart", "trees": 5, "items": 5, "leaves": 4}, {"name": "neural", "epochs": 1, "width": 8, "layers": 1}],
)
def test_a_base_ranker_is_trained_with_the_weights_of_queries(base, prepared, weighted):
    if base["name"] == "lambdamart":
        pytest.importorskip("lightgbm")
    scores = [
        torch.cat(
            [
                batch.reference[batch.items]
                for batch in prepared(data=weighted, base=base, exclude=[11, 12, 13], **given).batches("test")
            ]
        )
        for given in ({}, {"query_weight": 11})
    ]
    assert not scores[0].equal(scores[1])


def test_means_of_a_metric_over_queries_are_weighted():
    values = torch.tensor([1.0, float("nan"), 0.0])
    assert mean_over_queries(values, None) == 0.5
    assert mean_over_queries(values, torch.tensor([3.0, 9.0, 1.0])) == 0.75
