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
SUM = {"form": "sum"}


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


@pytest.mark.parametrize("settings", [{}, SUM, {"betas": "dirichlet"}, {"loss": "plackett-luce", "draws": 4, "trees": 20}])
def test_weights_and_the_dial_move_the_scores(method, task, settings):
    prepared = task()
    policy = trained(method(**settings), prepared)
    first, batch = scores(policy, prepared, [1.0, 0.0])
    second, _ = scores(policy, prepared, [0.0, 1.0])
    assert not torch.equal(first, second)
    far, _ = scores(policy, prepared, [1.0, 0.0], 4.0)
    torch.testing.assert_close(far - batch.reference, (first - batch.reference) / 4)


@pytest.mark.parametrize("form", ["conditioned", "sum"])
def test_the_loss_falls_and_the_vertices_serve_their_objectives(method, task, form):
    records = RecordsInMemory()
    prepared = task()
    policy = trained(method(trees=30, redraw=10, form=form), prepared, records)
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


@pytest.mark.parametrize("form", ["conditioned", "sum"])
def test_a_resumed_run_grows_the_same_trees(method, task, form):
    prepared, records = task(), RecordsInMemory(stop_after=4)
    with pytest.raises(KeyboardInterrupt):
        trained(method(form=form), prepared, records)
    records.stop_after = None
    resumed = trained(method(form=form), prepared, records, resume=True)
    whole = trained(method(form=form), prepared)
    found, expected = (getattr(policy.model, "terms", [policy.model]) for policy in (resumed, whole))
    assert [trees.text for trees in found] == [trees.text for trees in expected]
    assert [trees.text.count("Tree=") for trees in found] == [6] * len(found)


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


def test_a_sum_is_that_of_plain_lightgbm_models(method, task):
    import lightgbm

    prepared = task()
    policy = trained(method(form="sum"), prepared)
    models = [lightgbm.Booster(model_str=trees.text) for trees in policy.model.terms]
    batch = next(iter(prepared.batches("test")))
    outputs = np.stack([model.predict(batch.inputs["table"][batch.items].numpy()) for model in models], axis=1)
    assert (outputs.std(0) > 0).all()
    for weights in ([0.3, 0.7], [1.0, 0.0]):
        moved = policy.correction(batch, Tradeoff(torch.tensor([weights]), betas_of(prepared.objectives)))
        np.testing.assert_allclose(moved[batch.items], outputs @ weights, atol=1e-6)
        assert not moved[~batch.items].any()


def test_derivatives_in_the_terms_of_a_sum_are_those_of_autograd(method, task):
    from moft_losses.pairwise_logistic import PairwiseLogistic
    from moft_trees.newton_steps import Copies, NewtonSteps

    batches = list(task().batches("train"))
    lengths = torch.cat([batch.items.sum(1) for batch in batches])
    losses = ObjectiveLosses([Objective("a"), Objective("b")], PairwiseLogistic())
    steps = NewtonSteps(
        batches, losses, lambda costs, weights: (costs * weights).sum(-1), torch.tensor([1.0, 3.0]), is_balanced=False
    )
    generator = torch.Generator().manual_seed(0)
    weights = torch.distributions.Dirichlet(torch.ones(2)).sample((3, len(lengths)))
    rows = weights.transpose(0, 1).repeat_interleave(lengths, dim=0).double()  # [documents, 3, 2]
    outputs = torch.randn(len(rows), 2, generator=generator, dtype=torch.float64)
    copies = Copies(weights, torch.tensor([[[1.0, 2.0]]]), torch.ones(1, 1))

    def loss(table):
        total, begin, place = 0.0, 0, 0
        for batch in batches:
            end, after = begin + int(batch.items.sum()), place + len(batch)
            for copy in range(3):
                corrections = torch.zeros(batch.items.shape, dtype=torch.float64)
                corrections[batch.items] = (table[begin:end] * rows[begin:end, copy]).sum(-1)
                costs = losses.unweighted(corrections, batch, copies.betas[0])
                total = total + (costs * torch.tensor([1.0, 3.0]) * weights[copy, place:after]).sum()
            begin, place = end, after
        return total

    _, first, second = steps.of_sum(outputs.numpy(), copies, rows.numpy())
    table = outputs.clone().requires_grad_()
    (slope,) = torch.autograd.grad(loss(table), table, create_graph=True)
    places = [(0, 0), (0, 1), (5, 0), (5, 1)]
    bend = [torch.autograd.grad(slope[place], table, retain_graph=True)[0][place].item() for place in places]
    sizes = slope.detach().numpy()[5] / first[5]  # [2], what both derivatives of a term are divided by
    np.testing.assert_allclose(first * sizes, slope.detach(), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose([second[place] * sizes[place[1]] for place in places], bend, rtol=1e-3)


def test_an_objective_that_is_never_drawn_gets_trees_without_splits(method, task):
    policy = trained(method(form="sum", sampler={"name": "fixed", "value": [1, 0]}), task())
    texts = [trees.text for trees in policy.model.terms]
    assert [text.count("Tree=") for text in texts] == [6, 6]
    assert ["split_feature" in text for text in texts] == [True, False]


@pytest.mark.parametrize("settings", [{}, SUM, {"betas": "dirichlet"}, {"loss": "listnet"}], ids=str)
def test_objectives_without_weight_are_skipped_with_the_same_result(settings, method, task, monkeypatch):
    prepared = task()
    found = trained(method(**settings), prepared)
    monkeypatch.setattr("moft_trees.newton_steps.WeightedSum", ConfigError)  # so that all objectives are computed for all lists
    expected = trained(method(**settings), prepared)
    if settings == {"loss": "listnet"}:
        assert found.model.text == expected.model.text
    for weights in ([1.0, 0.0], [0.3, 0.7]):
        torch.testing.assert_close(scores(found, prepared, weights)[0], scores(expected, prepared, weights)[0])


def test_a_task_without_features_is_refused(method):
    with pytest.raises(ConfigError, match="trees need features in columns, which the task"):
        method().policy(problem_without_validation(toy_task()))
    with pytest.raises(ConfigError, match=r"\[method.betas\] plain trees cannot read betas that vary; leave betas out, or use"):
        method(form="sum", betas="dirichlet").check(toy_task().objectives, lambda size: None)
    with pytest.raises(ConfigError, match=r"form.*'conditioned' or 'sum'"):
        method(form="product")
    with pytest.raises(ConfigError, match="cannot learn from an adaptive sampler"):
        method(sampler="adaptive").check(toy_task().objectives, lambda size: None)
