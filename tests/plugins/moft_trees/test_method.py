"""The method `cos-dpo-trees`: one booster for all weights, which starts at the reference and can be resumed and opened again."""

from __future__ import annotations

import numpy as np
import pytest
import torch

pytest.importorskip("lightgbm")

from moft import ConfigError, DataError
from moft.api import BoostedTrees, FeatureTable, Injection, Objective, ObjectiveLosses, Tradeoff, betas_of
from moft.config.build_component import resolve
from moft.engine.fronts.measure_front import problem_without_validation
from moft.engine.policies.state_dict import own_state
from moft.engine.training.jobs.job_records import NoRecords
from moft.engine.training.trainer import AccelerateTrainer
from moft.engine.training.trainer_settings import TrainerSettings
from moft.interfaces import Context, Method, Policy, Task
from moft.setting_types import Factory
from moft.testing.toy_task_and_policy import toy_task

SETTINGS = TrainerSettings(device="cpu", evaluations=0)


class RecordsInMemory(NoRecords):
    """Keeps the rows of steps and the latest checkpoint, and interrupts after some steps."""

    def __init__(self, stop_after=None):
        self.rows, self.saved, self.stop_after = [], None, stop_after

    def latest(self, job):
        return self.saved

    def save(self, job, state):
        self.saved = state

    def step(self, step, values):
        self.rows.append(values)
        if step == self.stop_after:
            raise KeyboardInterrupt


@pytest.fixture
def task(plugins, lists, tmp_path):
    def built(**settings):
        given = {
            "name": "ltr",
            "data": str(lists),
            "objectives": {"first": {"column": 9}, "second": {"column": 10}},
            "base": {"name": "scores", "column": 1},
            "items_per_batch": 64,
            **settings,
        }
        made = resolve(Factory[Task], given, plugins).make()(Context(torch.device("cpu"), 0, tmp_path / "cache"))
        made.prepare(AccelerateTrainer(SETTINGS, seed=0))
        return made

    return built


@pytest.fixture
def method(plugins):
    def built(**settings):
        given = {"name": "cos-dpo-trees", "trees": 6, "redraw": 3, "draws": 2, "grow": {"leaves": 4, "items": 2}, **settings}
        return resolve(Factory[Method[Policy]], given, plugins).make()()

    return built


def trained(method, task, records=None, *, resume=False):
    problem = problem_without_validation(task)
    policy = method.policy(problem)
    method.train(policy, problem, AccelerateTrainer(SETTINGS, seed=0, records=records, resume=resume))
    return policy


def scores(policy, task, weights, factor=1.0):
    batch = next(iter(task.batches("test")))
    rows = torch.tensor([weights]).expand(len(batch), -1)
    return policy(batch, Tradeoff(rows, betas_of(task.objectives) * factor)), batch


def test_it_starts_at_the_reference(method, task):
    prepared = task()
    found, batch = scores(method().policy(problem_without_validation(prepared)), prepared, [0.5, 0.5])
    assert found.equal(batch.reference)


@pytest.mark.parametrize("settings", [{}, {"betas": "dirichlet"}, {"loss": "plackett-luce", "draws": 4, "trees": 20}])
def test_weights_and_the_dial_move_the_scores(method, task, settings):
    prepared = task()
    policy = trained(method(**settings), prepared)
    first, batch = scores(policy, prepared, [1.0, 0.0])
    second, _ = scores(policy, prepared, [0.0, 1.0])
    assert not torch.equal(first, second)
    far, _ = scores(policy, prepared, [1.0, 0.0], 4.0)
    torch.testing.assert_close(far - batch.reference, (first - batch.reference) / 4)


def test_the_loss_falls_and_the_vertices_serve_their_objectives(method, task):
    records = RecordsInMemory()
    prepared = task()
    policy = trained(method(trees=30, redraw=10), prepared, records)
    losses = [row["loss"] for row in records.rows]
    assert len(losses) == 30
    assert losses[-1] < losses[0]
    batch = next(iter(prepared.batches("train")))
    for index in range(2):
        weights = torch.eye(2)[index].expand(len(batch), -1)
        moved = policy.correction(batch, Tradeoff(weights, betas_of(prepared.objectives)))
        labels = batch.labels[..., index]
        centred = (labels - (labels * batch.items).sum(1, keepdim=True) / batch.items.sum(1, keepdim=True)) * batch.items
        assert (centred * moved).sum() > 0


def test_losses_of_final_scores_that_bend_downwards_fall_too(method, task):
    records = RecordsInMemory()
    trained(method(loss="approx-ndcg", trees=20, redraw=20), task(), records)
    losses = [row["loss"] for row in records.rows]
    assert losses[-1] < losses[0]


def test_without_curvature_no_tree_splits(method, task):
    from dataclasses import dataclass

    from moft_trees.newton_steps import Copies, NewtonSteps

    @dataclass(frozen=True)
    class Linear:
        def __call__(self, rewards, labels, mask):
            return -(rewards * labels * mask).sum(-1)

    batches = list(task().batches("train"))
    losses = ObjectiveLosses([Objective("a"), Objective("b")], Linear())
    steps = NewtonSteps(batches, losses, lambda costs, weights: (costs * weights).sum(-1), torch.ones(2), is_balanced=False)
    lists, documents = sum(map(len, batches)), sum(int(batch.items.sum()) for batch in batches)
    copies = Copies(torch.full((1, lists, 2), 0.5), torch.ones(1, 1, 2), torch.ones(1, 1))
    _, first, second = steps(np.zeros(documents), copies)
    assert np.isfinite(first).all()
    assert first.any()
    assert not second.any()


def test_a_resumed_run_grows_the_same_trees(method, task):
    prepared, records = task(), RecordsInMemory(stop_after=4)
    with pytest.raises(KeyboardInterrupt):
        trained(method(), prepared, records)
    records.stop_after = None
    resumed = trained(method(), prepared, records, resume=True)
    whole = trained(method(), prepared)
    assert resumed.model.text == whole.model.text
    assert resumed.model.text.count("Tree=") == 6


def test_the_state_opens_again_and_damage_is_told(method, task):
    prepared = task()
    policy = trained(method(), prepared)
    other = method().policy(problem_without_validation(prepared))
    other.load_state_dict(policy.state_dict())
    assert scores(other, prepared, [0.3, 0.7])[0].equal(scores(policy, prepared, [0.3, 0.7])[0])
    state = {name: value.clone() for name, value in own_state(policy).items()}
    begin = policy.model.text.index("leaf_value=") + len("leaf_value=")
    state["model.trees"][begin : begin + 3] = ord("x")
    with pytest.raises(DataError, match=r"the policy's LightGBM model is damaged: .* Restore the run from a copy"):
        other.load_state_dict(state)


def test_trees_of_other_features_are_refused():
    trees = BoostedTrees(FeatureTable(("a", "b")), tradeoff_size=2, is_correction=True)
    import lightgbm

    data = lightgbm.Dataset(np.random.default_rng(0).normal(size=(100, 3)), np.arange(100.0))
    with pytest.raises(DataError, match="has 3 features, not 4"):
        trees.text = lightgbm.train({"verbosity": -1, "num_threads": 1}, data, 1).model_to_string()


def test_without_trees_every_output_is_zero():
    trees = BoostedTrees(FeatureTable(("a",)), tradeoff_size=1, is_correction=True)
    inputs = {"items": torch.ones(2, 3, dtype=torch.bool), "table": torch.ones(2, 3, 1)}
    assert trees(inputs, Injection()).equal(torch.zeros(2, 3))


def test_a_task_without_features_is_refused(method):
    with pytest.raises(ConfigError, match="trees need features in columns, which the task"):
        method().policy(problem_without_validation(toy_task()))
    with pytest.raises(ConfigError, match="cannot learn from an adaptive sampler"):
        method(sampler="adaptive").check(toy_task().objectives, lambda size: None)
