"""Weight-COS-DPO: one training run, a policy for every weighting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.testing import assert_close

from moft import ConfigError
from moft.api import loss_scale
from moft.config.build_component import resolve
from moft.engine.fronts.measure_front import problem_without_validation
from moft.engine.losses.objective_losses import LabelStatistics, ObjectiveLosses, label_statistics
from moft.engine.policies.conditioned_policy import ConditionedPolicy
from moft.engine.seed import seed_initialisation
from moft.engine.training.jobs.job_records import NoRecords
from moft.engine.training.trainer import AccelerateTrainer
from moft.engine.training.trainer_settings import TrainerSettings
from moft.interfaces import Conditioner, Context, Method, Sampler, Scalarizer
from moft.setting_types import Factory
from moft.testing import check_policy
from moft.testing.toy_task_and_policy import ToyTask, best_scores
from moft.types import Batch, Tradeoff
from moft_losses.listnet import ListNet

WEIGHTS = torch.tensor([[1.0, 0.0], [0.75, 0.25], [0.5, 0.5], [0.25, 0.75], [0.0, 1.0]])
ONE = torch.ones(1, 2)


class Notes(NoRecords):
    """Keeps what a method notes, and the loss of every step."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.losses: list[float] = []

    def note(self, text):
        self.texts.append(text)

    def step(self, step, values):
        self.losses.append(values["loss"])


def toy(**settings) -> ToyTask:
    return ToyTask(Context(torch.device("cpu"), 0, None), **settings)


@pytest.fixture
def trained(plugins) -> Callable[..., ConditionedPolicy]:
    """Trains a policy on the toy task; settings are those of the method."""

    def made(*, epochs=1, task=None, records=None, rate=1e-2, seed=0, **settings: Any) -> ConditionedPolicy:
        method = resolve(Method, {"name": "cos-dpo", **settings}, plugins).make()
        problem = problem_without_validation(task or toy())
        seed_initialisation(seed, "policy")
        policy = method.policy(problem)
        trainer = AccelerateTrainer(
            TrainerSettings(epochs=epochs, learning_rate=rate, evaluations=0, device="cpu"), seed=seed, records=records
        )
        method.train(policy, problem, trainer)
        return policy.eval()

    return made


LONG: dict[str, ConditionedPolicy] = {}


@pytest.fixture
def long_trained(trained) -> Callable[[str], ConditionedPolicy]:
    """A policy of each conditioner on 96 lists, trained once."""

    def made(conditioner: str) -> ConditionedPolicy:
        if conditioner not in LONG:
            LONG[conditioner] = trained(
                task=toy(lists=96), epochs=60 if conditioner == "concat" else 40, conditioner=conditioner, balance="none"
            )
        return LONG[conditioner]

    return made


def softmaxes(scores: torch.Tensor, batch: Batch) -> torch.Tensor:
    """`[batch, list]`, logarithms of the softmax within each list."""
    return scores.masked_fill(~batch.items, torch.finfo(scores.dtype).min).log_softmax(-1)


def divergence(expected: torch.Tensor, found: torch.Tensor, batch: Batch) -> float:
    """Mean Kullback-Leibler divergence of the lists' softmaxes."""
    one, other = softmaxes(expected, batch), softmaxes(found, batch)
    terms = one.exp() * (one - other).masked_fill(~batch.items, 0.0)
    return terms.sum(-1).mean().item()


def whole(task: ToyTask, split: str) -> Batch:
    batches = task.batches(split)
    return batches.load(torch.arange(batches.lists))


def assignments(policy: ConditionedPolicy, batch: Batch, weights: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return policy(batch, Tradeoff(weights.unsqueeze(0), ONE))


@pytest.mark.slow
@pytest.mark.parametrize("conditioner", ["film", "concat"])
def test_a_trained_policy_comes_near_the_best_scores_at_every_weighting(conditioner, long_trained):
    policy, batch = long_trained(conditioner), whole(toy(lists=96), "test")
    for weights in WEIGHTS:
        best = best_scores(batch, weights.unsqueeze(0))
        start = divergence(best, batch.reference, batch)
        found = divergence(best, assignments(policy, batch, weights), batch)
        share = 0.1 if weights.max() == 1 else 0.4  # between the vertices no network of single items can reach the best
        assert found < share * start, f"at weights {weights.tolist()}"
        others = [
            divergence(best, assignments(policy, batch, other), batch) for other in WEIGHTS[[0, -1]] if not other.equal(weights)
        ]
        assert found < 0.5 * min(others), "asked for what is measured it must be nearer than asked for a vertex"
    wrong = divergence(best_scores(batch, WEIGHTS[:1]), assignments(policy, batch, WEIGHTS[-1]), batch)
    assert wrong > 0.5, "the weights must matter"


@pytest.mark.slow
def test_at_a_vertex_it_comes_near_the_plain_model_of_that_objective(trained, long_trained):
    task = toy(lists=96)
    policy, batch = long_trained("film"), whole(task, "test")
    for weights in (WEIGHTS[0], WEIGHTS[-1]):
        sampler = {"name": "fixed", "value": weights.tolist()}
        plain = trained(task=task, epochs=40, conditioner=None, sampler=sampler, balance="none")
        expected = assignments(plain, batch, weights)
        found = divergence(expected, assignments(policy, batch, weights), batch)
        assert found < 0.05 * divergence(expected, assignments(policy, batch, 1 - weights), batch)


def test_training_starts_at_log_n_and_falls(trained):
    task, notes = toy(lists=24, items_per_batch=10_000), Notes()
    trained(task=task, epochs=20, records=notes, balance="none")
    sizes = whole(task, "train").items.sum(1).float()
    assert notes.losses[0] == pytest.approx(sizes.log().mean().item(), rel=1e-5)
    assert notes.losses[-1] < 0.95 * notes.losses[0]


@pytest.mark.parametrize("settings", [{}, {"conditioner": "concat"}, {"draws": 3}, {"share_draws": True}])
def test_what_it_yields_keeps_the_contract_of_policies(settings, trained):
    task = toy(lists=8)
    check_policy(trained(task=task, **settings), whole(task, "test"))


@pytest.mark.parametrize(
    "settings",
    [{}, {"draws": 2}, {"share_draws": True}, {"balance": "none"}, {"scalarizer": {"name": "cosine", "strength": 0.5}}],
)
def test_the_same_seed_gives_the_same_policy(settings, trained):
    one, other = (trained(task=toy(lists=8), **settings).state_dict() for _ in range(2))
    assert all(other[name].equal(value) for name, value in one.items())


@pytest.mark.slow
def test_settings_that_change_training_change_the_policy(trained):
    found = [
        torch.cat([value.flatten() for value in trained(task=toy(lists=8), epochs=3, **settings).state_dict().values()])
        for settings in ({}, {"draws": 2}, {"share_draws": True}, {"balance": "none"}, {"loss": "plackett-luce"}, {"seed": 1})
    ]
    assert all(not one.equal(other) for index, one in enumerate(found) for other in found[:index])


class Recording:
    """A sampler that remembers how much was drawn, and gives vectors that can be told apart."""

    def __init__(self, counts):
        self.counts = counts

    def draw(self, count, generator):
        self.counts.append(count)
        first = torch.rand(count, 1, generator=generator)
        return torch.cat([first, 1 - first], dim=1)

    def grid(self, points):
        return WEIGHTS


@pytest.mark.parametrize(("draws", "shared"), [(1, False), (3, False), (1, True), (3, True)])
def test_every_list_has_its_own_draws_unless_they_are_shared(draws, shared, plugins):
    from moft_cos_dpo.method import CosDPO

    counts: list[int] = []
    seen: list[torch.Tensor] = []

    def scalarizer(losses, weights):
        seen.append(weights)
        return (losses * weights).sum(-1)

    def film(spec):
        return resolve_conditioner(plugins)(spec)

    method = CosDPO(
        sampler=lambda m: Recording(counts),
        conditioner=film,
        loss=ListNet(),
        scalarizer=scalarizer,
        draws=draws,
        share_draws=shared,
    )
    task = toy(lists=6, items_per_batch=10_000)
    problem = problem_without_validation(task)
    trainer = AccelerateTrainer(TrainerSettings(epochs=1, evaluations=0, device="cpu"), seed=0)
    policy = method.policy(problem)
    counts.clear()  # a policy is built with a look at the sampler and the scalarizer
    seen.clear()
    method.train(policy, problem, trainer)
    assert counts == [draws if shared else 6 * draws]
    rows = seen[0].view(6, draws, 2)
    assert len(rows[:, 0].unique(dim=0)) == (1 if shared else 6)
    assert len(rows[0].unique(dim=0)) == draws


def resolve_conditioner(plugins):
    return resolve(Factory[Conditioner], "film", plugins).make()


@pytest.mark.parametrize("draws", [1, 2])
def test_a_conditioner_of_one_row_at_a_time_trains_as_another_and_is_told(draws, plugins):
    from moft_cos_dpo.method import CosDPO

    class OneRow(Conditioner):
        slots = frozenset({"modulation"})
        per_row = False

        def __init__(self, spec):
            super().__init__()
            self.inner = resolve_conditioner(plugins)(spec)

        def forward(self, vector):
            assert len(vector) == 1
            return self.inner(vector)

    found = []
    for conditioner in (resolve_conditioner(plugins), OneRow):
        records = Notes()
        method = CosDPO(
            sampler=resolve(Factory[Sampler], "dirichlet", plugins).make(),
            conditioner=conditioner,
            loss=ListNet(),
            scalarizer=resolve(Scalarizer, "linear", plugins).make(),
            draws=draws,
        )
        problem = problem_without_validation(toy(lists=6))
        seed_initialisation(0, "policy")
        policy = method.policy(problem)
        settings = TrainerSettings(epochs=2, learning_rate=1e-2, evaluations=0, device="cpu")
        method.train(policy, problem, AccelerateTrainer(settings, seed=0, records=records))
        found.append((torch.tensor(records.losses), [note for note in records.texts if "one tradeoff at a time" in note]))
    (together, none), (apart, told) = found
    assert len(together) > 1
    assert_close(apart, together, atol=1e-5, rtol=1e-5)
    assert (none, len(told)) == ([], 1)


def test_a_method_foresees_what_it_will_refuse(plugins):
    task = toy()
    spec_of = {2: task.model(2).spec, 4: task.model(4).spec}.__getitem__

    def check(**settings):
        resolve(Method, {"name": "cos-dpo", **settings}, plugins, "method").make().check(task.objectives, spec_of)

    before = torch.get_rng_state()
    check()
    check(conditioner=["concat", "hyper-lora"], betas="dirichlet")
    check(conditioner=None, sampler={"name": "fixed", "value": [0.3, 0.7]})
    assert torch.equal(torch.get_rng_state(), before)
    with pytest.raises(ConfigError, match=r"^\[method.conditioner\] 'hpt' fills the slot 'prefix'"):
        check(conditioner="hpt")
    with pytest.raises(ConfigError, match=r"^\[method.conditioner.parts.1\] 'hpt' fills the slot 'prefix'"):
        check(conditioner=["film", "hpt"])
    with pytest.raises(ConfigError, match=r"\[method.conditioner\] null cannot follow weights"):
        check(conditioner=None)


def test_a_plain_model_goes_with_fixed_weights_only(trained):
    policy = trained(task=toy(lists=8), conditioner=None, sampler={"name": "fixed", "value": [0.3, 0.7]})
    assert policy.conditioner is None
    with pytest.raises(ConfigError, match=r"\[method.conditioner\] null cannot follow weights that vary; use sampler: fixed"):
        trained(conditioner=None)


def test_a_sampler_that_does_not_fit_is_told_before_anything_is_trained(plugins):
    method = resolve(Method, {"name": "cos-dpo", "sampler": {"name": "dirichlet", "alpha": [1, 1, 1]}}, plugins).make()
    with pytest.raises(ConfigError, match="alpha has 3 entries"):
        method.policy(problem_without_validation(toy()))


def test_without_balance_a_mean_is_over_labelled_lists():
    statistics = LabelStatistics(10, torch.tensor([10.0, 5.0, 2.0]), torch.tensor([1.0, 9.0, 4.0]))
    assert_close(loss_scale(statistics, is_balanced=False), torch.tensor([1.0, 2.0, 5.0]))


def test_balance_makes_the_pull_of_all_objectives_alike():
    statistics = LabelStatistics(10, torch.tensor([10.0, 5.0]), torch.tensor([1.0, 9.0], dtype=torch.float64))
    scale = loss_scale(statistics, is_balanced=True).double()
    assert_close(scale, torch.tensor([1.0 * 3 / 1, 2.0 * 3 / 9]).double())
    pull = scale * statistics.share * statistics.gradient
    assert_close(pull[0], pull[1])


def test_an_objective_that_no_list_labels_keeps_a_finite_scale():
    statistics = LabelStatistics(10, torch.tensor([10.0, 0.0]), torch.tensor([1.0, 0.0], dtype=torch.float64))
    assert loss_scale(statistics, is_balanced=True).isfinite().all()
    assert loss_scale(statistics, is_balanced=False).tolist() == [1.0, 10.0]


class Sparse(ToyTask):
    """The toy task with a first objective that says nothing of the even lists."""

    def batches(self, split, generator=None):
        batches = super().batches(split, generator)

        def load(lists):
            batch = batches.load(lists)
            says = torch.stack([lists % 2 == 1, torch.ones_like(lists, dtype=torch.bool)], dim=-1)  # [batch, m]
            return Batch(**{**vars(batch), "mask": batch.mask & says.unsqueeze(1)})

        return type(batches)(batches.plan, load)


def test_lists_that_say_nothing_are_left_out_and_told(trained):
    task, notes = Sparse(Context(torch.device("cpu"), 0, None), lists=10), Notes()
    losses = ObjectiveLosses(task.objectives, ListNet())
    assert label_statistics(losses, task.batches("train"), ONE).share.tolist() == [0.5, 1.0]
    trained(task=task, records=notes)
    assert notes.texts == ["first: 5 of 10 training lists have no usable labels for it and are left out of its mean."]
