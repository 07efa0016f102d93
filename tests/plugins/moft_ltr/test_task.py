"""The ranking task: its contract, what reaches the inputs, and what is learned from which split."""

from __future__ import annotations

import shutil

import pytest
import torch
from torch.testing import assert_close

from moft import ConfigError, DataError
from moft.config.build_component import resolve
from moft.engine.fronts.measure_front import problem_without_validation
from moft.engine.policies.conditioned_policy import ConditionedPolicy
from moft.engine.seed import seed_initialisation
from moft.interfaces import Method
from moft.testing import check_evaluator, check_model, check_policy, check_task
from moft.types import Injection, Tradeoff
from moft_conditioners.film import FiLM
from moft_losses.listnet import ListNet
from moft_ltr.metrics.ndcg import NDCG


@pytest.fixture
def copy(lists, tmp_path):
    """A copy of the lists of which single columns of a split can be changed."""
    shutil.copytree(lists, tmp_path / "data")

    def changed(split, column, change):
        path = tmp_path / "data" / f"{split}.txt"
        rows = [row.split() for row in path.read_text().splitlines() if not row.startswith("#")]
        for row in rows:
            name, _, value = row[1 + column].partition(":")
            row[1 + column] = f"{name}:{change(float(value)):.9g}"
        path.write_text("\n".join(map(" ".join, rows)) + "\n")
        return tmp_path / "data"

    return changed


def inputs(task, split):
    return torch.cat([batch.inputs["features"][batch.items] for batch in task.batches(split)])


def labels(task, split):
    return torch.cat([batch.labels[batch.items] for batch in task.batches(split)])


@pytest.mark.parametrize("settings", [{}, {"folds": 4, "fold": 3}, {"parametrization": "scratch", "exclude": [2]}])
def test_the_task_keeps_its_contract(settings, prepared):
    check_task(prepared(**settings))


def test_the_task_with_a_trained_base_keeps_its_contract(prepared):
    check_task(prepared(base={"name": "neural", "epochs": 1, "width": 8, "layers": 1}))


def test_its_ranker_and_its_metric_keep_theirs(prepared, plugins):
    task = prepared()
    batches = list(task.batches("test"))
    check_model(task.model(2), batches[0].inputs)
    policy = resolve(Method, "cos-dpo", plugins).make().policy(problem_without_validation(task))
    check_policy(policy, batches[0])
    check_evaluator(NDCG(task.objectives, task.main), policy.steer(Tradeoff(torch.eye(2), torch.ones(1, 2))), batches)


@pytest.mark.parametrize("settings", [{}, {"base": {"name": "neural", "epochs": 1, "width": 8, "layers": 1}}])
def test_a_label_never_reaches_the_inputs(settings, prepared, copy):
    before = prepared(**settings)
    data = copy("train", 9, lambda value: 7 - value)
    after = prepared(data=data, **settings)
    for split in ("train", "validation"):
        assert inputs(after, split).equal(inputs(before, split))
    assert not labels(after, "train").equal(labels(before, "train"))
    for one, other in zip(before.batches("train"), after.batches("train"), strict=True):
        assert one.reference.equal(other.reference)
        assert one.main.equal(other.main)


def test_scaling_is_learned_on_the_training_lists_alone(prepared, copy):
    before = prepared()
    data = copy("test", 4, lambda value: 1000 * value + 5)
    copy("vali", 4, lambda value: -value)
    after = prepared(data=data)
    for name, value in before.state().items():
        assert after.state()[name].equal(value), name
    assert inputs(after, "train").equal(inputs(before, "train"))
    assert not inputs(after, "test").equal(inputs(before, "test"))


def test_training_inputs_are_standardised(prepared):
    features = inputs(prepared(), "train")
    assert_close(features.mean(0), torch.zeros(7), rtol=0, atol=1e-4)
    assert_close(features.std(0, correction=0), torch.ones(7), rtol=0, atol=1e-3)


def test_under_sum_a_list_without_label_mass_costs_nothing(prepared, copy):
    data = copy("train", 9, lambda value: value)
    path = data / "train.txt"
    rows = [row.split() for row in path.read_text().splitlines()]
    silent = rows[0][1]
    for row in rows:
        if row[1] == silent:
            row[10] = "9:0"
    path.write_text("\n".join(map(" ".join, rows)) + "\n")
    task = prepared(data=data, objectives={"first": {"column": 9, "loss": {"name": "listnet", "target": "sum"}}})
    batch = task._stores["train"].batch(torch.tensor([0, 1]))
    rewards = torch.randn(batch.items.shape, generator=torch.Generator().manual_seed(0), requires_grad=True)
    costs = task.objectives[0].loss(rewards, batch.labels[..., 0], batch.mask[..., 0])
    (slope,) = torch.autograd.grad(costs.sum(), rewards)
    assert costs[0] == 0
    assert not slope[0].any()
    assert costs[1] > 0
    assert slope[1].any()


def test_at_the_start_augmentation_is_the_base_and_costs_log_n(prepared):
    task = prepared(parametrization="augmentation")
    seed_initialisation(0, "x")
    model = task.model(2)
    policy = ConditionedPolicy(model, FiLM(model.spec), torch.ones(1, 2))
    for batch in task.batches("train"):
        tradeoff = Tradeoff(torch.tensor([[0.3, 0.7]]), torch.ones(1, 2))
        assert policy(batch, tradeoff).equal(batch.reference)
        costs = ListNet()(policy.correction(batch, tradeoff), batch.labels[..., 0], batch.mask[..., 0])
        assert_close(costs, batch.items.sum(1).float().log())


def test_from_scratch_the_model_gives_the_score_itself(prepared):
    task = prepared(parametrization="scratch")
    batch = next(iter(task.batches("train")))
    seed_initialisation(0, "x")
    policy = ConditionedPolicy(task.model(2), None, torch.ones(1, 2))
    scores = policy(batch, Tradeoff(torch.tensor([[0.3, 0.7]]), torch.ones(1, 2)))
    assert_close(scores, policy.model(batch.inputs, Injection()), rtol=1e-5, atol=1e-6)


def test_objectives_carry_their_settings(task):
    loss = {"name": "listnet", "target": "sum"}
    given = {"a": {"column": 9, "transform": "log1p", "beta": 2, "gain": "exp2", "loss": loss}, "b": {"column": 10}}
    built = task(objectives=given, main={"column": 8, "gain": "linear", "transform": "min-max"})
    a, b = built.objectives
    assert (a.name, a.beta, a.gain, a.label) == ("a", 2.0, "exp2", "column 9, log(1 + label)")
    assert a.loss == ListNet(target="sum")
    assert (b.name, b.beta, b.gain, b.loss) == ("b", 1.0, "linear", None)
    assert (built.main.gain, built.main.label) == ("linear", "column 8, scaled to 0..1 within the query")
    assert task(main=None).main is None


def test_a_main_label_that_is_a_column_is_no_input(prepared):
    assert 7 not in prepared(main={"column": 8, "transform": "min-max"}).state()["columns"].tolist()


def test_lists_that_are_only_scored_have_no_labels(prepared, lists):
    batches = prepared().read(lists / "test.txt")
    assert not any(batch.mask.any() or batch.labels.any() for batch in batches)
    assert batches.lists == 8


def test_a_task_that_is_not_prepared_says_so(task):
    built = task()
    for ask in (lambda: built.batches("train"), built.state):
        with pytest.raises(ConfigError, match="the ranking task is not ready; call prepare or restore first"):
            ask()


def test_an_unknown_split_and_a_foreign_state_are_refused(prepared, task):
    with pytest.raises(ConfigError, match="split 'tset' is unknown; available: train, validation, test"):
        prepared().batches("tset")
    with pytest.raises(DataError, match="the saved state of the ranking task has no 'columns'"):
        task().restore({"weight": torch.zeros(1)})


def test_what_was_measured_on_what_is_told(prepared, copy):
    before = prepared().identity()
    after = prepared(data=copy("test", 4, lambda value: value + 1)).identity()
    assert before["splits"]["train"] == {**after["splits"]["train"]}
    assert before["splits"]["test"]["sha256"] != after["splits"]["test"]["sha256"]
    assert {split: found["lists"] for split, found in before["splits"].items()} == {"train": 24, "validation": 8, "test": 8}
    assert before["base"] == "scores"
    assert before["dealt"] is None
    assert prepared(folds=4, fold=1).identity()["dealt"] == {"folds": 4, "fold": 1}
