"""Objectives without labels: the exposure of a group and diversity, beside an objective with labels."""

from __future__ import annotations

import json

import pytest
import torch

from moft import ConfigError
from moft.config.build_component import resolve
from moft.engine.fronts.measure_front import problem_without_validation
from moft.engine.losses.objective_losses import ObjectiveLosses
from moft.interfaces import Method
from moft.testing import check_task
from moft.types import Objective, Tradeoff
from moft_losses.listnet import ListNet

FAIR = {
    "column": None,
    "loss": {"name": "exposure", "attribute": "shop", "aim": "more"},
    "metric": ["exposure(shop=1)@3", "parity(shop=1)"],
}


@pytest.fixture(scope="module")
def shops(lists, tmp_path_factory):
    """The lists with a column of shops, 0 and 1."""
    folder, draws = tmp_path_factory.mktemp("shops"), torch.Generator().manual_seed(0)
    for file in lists.glob("*.txt"):
        rows = [line.split(" #")[0] for line in file.read_text().splitlines() if not line.startswith("#")]
        marks = torch.randint(2, (len(rows),), generator=draws).tolist()
        (folder / file.name).write_text("".join(f"{row} 11:{mark}\n" for row, mark in zip(rows, marks, strict=True)))
    return folder


def test_an_objective_without_labels_keeps_the_contract_of_the_task(prepared, shops):
    task = prepared(data=shops, attributes={"shop": 11}, objectives={"first": {"column": 9}, "fair": FAIR})
    check_task(task)
    assert [objective.label for objective in task.objectives] == ["column 9, as is", "no labels"]
    for batch in task.batches("train"):
        assert batch.attributes["shop"][batch.items].unique().tolist() == [0, 1]
        assert batch.select(torch.tensor([1, 0])).attributes["shop"].equal(batch.attributes["shop"][[1, 0]])
        assert batch.inputs["features"].shape[-1] == 9  # a shop is an input, too


@pytest.mark.parametrize("betas", [None, {"name": "log-uniform", "low": 0.1, "high": 10.0}])
def test_a_loss_of_final_scores_reads_what_the_policy_serves(betas, prepared, shops, plugins):
    task = prepared(data=shops, attributes={"shop": 11}, objectives={"first": {"column": 9}, "fair": FAIR})
    settings = {"name": "cos-dpo", **({} if betas is None else {"betas": betas})}
    policy = resolve(Method, settings, plugins).make().policy(problem_without_validation(task))
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    batch = next(iter(task.batches("train")))
    seen = {}

    class Spy(ListNet):
        asks = type(task.objectives[1].loss.asks)(scores=True)

        def __call__(self, rewards, labels, mask, context=None):
            seen["scores"] = context.scores
            return super().__call__(rewards, labels, mask)

    weights = torch.tensor([[0.3, 0.7]]).expand(len(batch), 2)
    tradeoff = Tradeoff(weights, torch.tensor([[1.0, 1.0]] if betas is None else [[2.0, 0.5]]))
    losses = ObjectiveLosses([Objective("a"), Objective("b")], Spy())
    with torch.no_grad():
        losses(policy.correction(batch, tradeoff), batch, tradeoff.betas, policy.magnitude(tradeoff))
        torch.testing.assert_close(seen["scores"][:, 0], policy(batch, tradeoff))


def test_a_run_trades_labels_for_the_exposure_of_a_group_and_for_diversity(moft, config, shops, tmp_path):
    diverse = "{column: null, loss: {name: diversity, attribute: shop}, metric: diversity(shop)@3}"
    objectives = f"{{first: {{column: 9, loss: approx-ndcg}}, fair: {json.dumps(FAIR)}, diverse: {diverse}}}"
    out = tmp_path / "run"
    words = [
        f"task.data={shops}",
        "task.attributes={shop: 11}",
        f"task.objectives={objectives}",
        "task.exclude=[10]",
        "trainer.epochs=8",
        "profile.edges=0",
    ]
    words += ["task.base={name: scores, column: 1}", "trainer.learning_rate=0.01", "profile.points=4", "trainer.evaluations=3"]
    assert moft("train", config, "--out", out, *(word for setting in words for word in ("--set", setting))).code == 0
    record = json.loads((out / "front.json").read_text())
    assert record["metric"].startswith("ndcg@10/exposure(shop=1)@3/diversity(shop)@3: ")
    base, points = record["base"], record["points"]
    assert set(base["more"]) == {"fair parity(shop=1)"}
    assert points[1]["weights"] == [0, 1, 0]
    assert points[1]["values"][1] > base["values"][1] + 0.05
    assert points[1]["values"][1] > points[0]["values"][1]


MISTAKES = {
    "no column and a loss of labels": (
        {},
        r"\[task.objectives.a.column\] is null; only an objective whose loss reads attributes",
    ),
    "no such attribute": (
        {"loss": {"name": "diversity", "attribute": "brand"}, "metric": "diversity(shop)@3"},
        r"\[task.objectives.a.loss\] reads the attribute 'brand'; task.attributes has shop. Add attributes: {brand: COLUMN}",
    ),
    "a metric of labels without any": (
        {"loss": {"name": "diversity", "attribute": "shop"}, "metric": ["diversity(shop)@3", "mrr"]},
        r"\[task.objectives.a.metric\] 'mrr' reads labels, and the objective has no column; write .* diversity\(shop\)@10",
    ),
    "no metric": (
        {"loss": {"name": "diversity", "attribute": "shop"}},
        r"\[task.objectives.a.metric\] 'ndcg' reads labels, and the objective has no column",
    ),
}


@pytest.mark.parametrize(("objective", "told"), MISTAKES.values(), ids=MISTAKES)
def test_an_objective_that_cannot_be_learned_or_measured_is_refused(objective, told, task, shops):
    with pytest.raises(ConfigError, match=told):
        task(data=shops, attributes={"shop": 11}, objectives={"a": {"column": None, **objective}})


def test_a_metric_of_an_unknown_attribute_is_refused(moft, config, shops):
    words = (
        "--set",
        f"task.data={shops}",
        "--set",
        "task.objectives.first.metric=diversity(brand)@3",
        "--set",
        "task.attributes={shop: 11}",
    )
    said = moft("train", config, "--plan", *words)
    assert (said.code, len(said.mistakes)) == (2, 1)
    assert "diversity(brand)@3 of 'first': there is no attribute 'brand'; there are shop." in said.mistakes[0]
