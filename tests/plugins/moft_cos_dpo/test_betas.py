"""Temperature-COS-DPO: betas are drawn as the weights are, and the policy answers them in any ratio."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from moft import ConfigError
from moft.api import (
    AccelerateTrainer,
    Asks,
    Batch,
    ConditionedPolicy,
    Context,
    Loss,
    Method,
    Objective,
    ObjectiveLosses,
    Policy,
    TemperaturePolicy,
    Tradeoff,
    TrainerSettings,
    label_statistics,
    loss_scale,
    problem_without_validation,
    seed_initialisation,
)
from moft.config.build_component import resolve
from moft.hooks.plugin_manager import Plugins
from moft.testing import check_policy
from moft.testing.toy_task_and_policy import ToyTask
from moft_cos_dpo.method import CosDPO

LOADED = Plugins()
LOADED.load()


def reads_rewards_alone(loss: Any) -> bool:
    """Whether a loss has no say on final scores, so that betas act on it through rewards alone."""
    asks = getattr(loss, "asks", Asks())
    return isinstance(asks, Asks) and not asks.scores


LOSSES = [offer.component.name for offer in LOADED.offers("losses") if reads_rewards_alone(offer.component.load())]
TEMPERATURES = torch.tensor([[0.4, 2.5]])
RATIOS = ([0.1, 0.9], [0.25, 0.75], [0.5, 0.5], [0.75, 0.25], [0.9, 0.1])


def toy(**settings: Any) -> ToyTask:
    return ToyTask(Context(torch.device("cpu"), 0, None), **settings)  # type: ignore[arg-type]


def built(**settings: Any) -> CosDPO:
    method: CosDPO = resolve(Method, {"name": "cos-dpo", **settings}, LOADED).make()
    return method


def trained(method: CosDPO, task: ToyTask, *, epochs: int = 1, policy: Policy | None = None) -> Any:
    problem = problem_without_validation(task)
    seed_initialisation(0, "policy")
    made = method.policy(problem) if policy is None else policy
    trainer = AccelerateTrainer(TrainerSettings(epochs=epochs, learning_rate=1e-2, evaluations=0, device="cpu"), seed=0)
    method.train(made, problem, trainer)  # type: ignore[arg-type]
    return made.eval()


def lists() -> tuple[Tensor, Batch]:
    """Random scores `[batch, list]`, and a batch with random labels and reference, with 64 bits: a loss of 50 has 1e-5 in 32."""
    generator = torch.Generator().manual_seed(0)
    shape, items = (4, 6), torch.ones(4, 6, dtype=torch.bool)
    batch = Batch(
        inputs={},
        labels=torch.rand(*shape, 2, generator=generator).double(),
        mask=items.unsqueeze(-1).expand(*shape, 2),
        reference=torch.randn(shape, generator=generator).double(),
        items=items,
        main=torch.zeros(shape),
        lists=torch.arange(4),
    )
    return torch.randn(shape, generator=generator).double(), batch


def costs(loss: str, scores: Tensor, batch: Batch, betas: Tensor) -> Tensor:
    """`[batch, m]`, of scores at betas."""
    losses = ObjectiveLosses((Objective("first"), Objective("second")), resolve(Loss, loss, LOADED).make())
    return losses(scores - batch.reference, batch, betas)


@pytest.mark.parametrize("c", [0.25, 0.5, 2.0, 4.0])
@pytest.mark.parametrize("loss", LOSSES)
def test_scores_mixed_with_the_reference_cost_the_same_at_c_times_the_temperatures(loss, c):
    scores, batch = lists()
    mixed = (1 - 1 / c) * batch.reference + scores / c
    expected = costs(loss, scores, batch, TEMPERATURES)
    assert_close(costs(loss, mixed, batch, c * TEMPERATURES), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_size_of_the_temperatures_drops_out_of_the_loss(loss):
    network, batch = lists()
    scores = batch.reference + (network - batch.reference) / TEMPERATURES.sum()
    expected = costs(loss, network, batch, TEMPERATURES / TEMPERATURES.sum())
    assert_close(costs(loss, scores, batch, TEMPERATURES), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("c", [0.5, 3.0])
@pytest.mark.parametrize("settings", [{}, {"betas": "dirichlet"}], ids=["weights", "betas"])
def test_the_scores_of_a_policy_cost_the_same_at_c_times_the_temperatures(settings, c):
    task = toy(lists=16)
    policy = trained(built(**settings), task, epochs=2)
    for batch in task.batches("test"):
        weights, ones = torch.tensor([[0.3, 0.7]]), torch.ones(1, 2)
        with torch.no_grad():
            scores, scaled = policy(batch, Tradeoff(weights, ones)), policy(batch, Tradeoff(weights, c * ones))
        assert_close(scaled, (1 - 1 / c) * batch.reference + scores / c)
        expected = costs("listnet", scores, batch, ones)
        assert_close(costs("listnet", scaled, batch, c * ones), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("betas", ["dirichlet", {"name": "log-uniform", "low": 0.1, "high": 10.0}])
@pytest.mark.parametrize("settings", [{}, {"conditioner": "concat"}, {"draws": 3}, {"share_draws": True}, {"balance": "none"}])
def test_what_it_yields_answers_any_ratio_row_by_row(settings, betas):
    task = toy(lists=8)
    policy = trained(built(betas=betas, **settings), task)
    assert isinstance(policy, TemperaturePolicy)
    check_policy(policy, next(iter(task.batches("test"))), any_ratio=True)


def test_the_same_seed_gives_the_same_policy():
    one, other = (trained(built(betas="dirichlet"), toy(lists=8)).state_dict() for _ in range(2))
    assert all(other[name].equal(value) for name, value in one.items())


class Scripted:
    """A sampler that gives rows in turn."""

    def __init__(self, *rows: list[float]) -> None:
        self.rows = torch.tensor(rows)

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        return self.rows.repeat(count, 1)[:count]

    def grid(self, points: int) -> Tensor:
        return self.rows.clone()


def watched(betas: Scripted, **settings: Any) -> tuple[Tensor, Tensor]:
    """The first step's betas and scaled losses, `[batch, m]` each; lists have different numbers of items."""
    seen: list[Tensor] = []

    def scalarizer(losses: Tensor, weights: Tensor) -> Tensor:
        seen.append(losses.detach())
        return (losses * weights).sum(-1)

    usual = built()
    method = CosDPO(
        sampler=usual._sampler,
        conditioner=usual._conditioner,
        loss=usual._loss,
        scalarizer=scalarizer,
        betas=lambda m: betas,
        **settings,
    )
    task = toy(lists=6, items_per_batch=10_000)
    policy = method.policy(problem_without_validation(task))
    seen.clear()  # a policy is built with a look at the scalarizer
    asked: list[Tensor] = []
    correction: Callable[[Batch, Tradeoff], Tensor] = policy.correction

    def spy(batch: Batch, tradeoff: Tradeoff) -> Tensor:
        asked.append(tradeoff.betas)
        return correction(batch, tradeoff)

    policy.correction = spy  # type: ignore[method-assign]
    trained(method, task, policy=policy)
    return asked[0], seen[0]


def test_only_the_ratios_of_drawn_temperatures_count():
    found, _ = watched(Scripted([1.0, 3.0], [8.0, 8.0]))
    assert_close(found, torch.tensor([[0.25, 0.75], [0.5, 0.5]]).repeat(3, 1))


def test_a_drawn_share_is_kept_off_zero():
    found, _ = watched(Scripted([1.0, 0.0], [0.0, 5.0]))
    assert_close(found, torch.tensor([[1.0, 0.01], [0.01, 1.0]]).repeat(3, 1) / 1.01)


def test_the_published_loss_counts_every_objective_alike():
    _, losses = watched(Scripted([1.0, 3.0], [8.0, 8.0]), balance="none")
    assert_close(losses[:, 0], losses[:, 1])  # log n: the policy starts at the reference


def test_balance_divides_by_the_temperature_that_was_drawn():
    betas, losses = watched(Scripted([1.0, 3.0], [8.0, 8.0]))
    _, plain = watched(Scripted([1.0, 3.0], [8.0, 8.0]), balance="none")
    task = toy(lists=6)
    listnet = ObjectiveLosses(task.objectives, resolve(Loss, "listnet", LOADED).make())
    for row in range(2):
        statistics = label_statistics(listnet, task.batches("train"), betas[row : row + 1])
        assert_close(losses[row], plain[row] * loss_scale(statistics, is_balanced=True), rtol=1e-4, atol=0)


@pytest.mark.parametrize("value", [[1.0, 1.0], [2.0, 2.0]])
def test_temperatures_that_are_always_the_same_train_at_them(value):
    policy = trained(built(betas={"name": "fixed", "value": value}), toy(lists=8))
    assert isinstance(policy, ConditionedPolicy)
    assert policy.betas.tolist() == [value]


def test_the_objectives_own_temperatures_as_a_sampler_change_nothing():
    one = trained(built(), toy(lists=8)).state_dict()
    other = trained(built(betas={"name": "fixed", "value": [1.0, 1.0]}), toy(lists=8)).state_dict()
    assert all(other[name].equal(value) for name, value in one.items())


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "other ratios": (
        {"betas": {"name": "fixed", "value": [1.0, 3.0]}},
        "[method.betas] is always [1.0, 3.0], which is not a multiple of the objectives' own betas, [1.0, 1.0]; "
        "set task.objectives.NAME.beta of first, second instead.",
    ),
    "a beta of zero": (
        {"betas": {"name": "fixed", "value": [1.0, 0.0]}},
        "[method.betas] is always [1.0, 0.0], which is not a multiple of the objectives' own betas, [1.0, 1.0]; "
        "set task.objectives.NAME.beta of first, second instead.",
    ),
    "nothing to tell the model by": (
        {"betas": "dirichlet", "sampler": {"name": "fixed", "value": [0.5, 0.5]}, "conditioner": None},
        "[method.conditioner] null cannot follow betas that vary; use betas: fixed, or a conditioner.",
    ),
    "a sampler that does not fit": (
        {"betas": {"name": "dirichlet", "alpha": [1, 1, 1]}},
        "[betas] [sampler] 'dirichlet': alpha has 3 entries; give one number or 2 of them.",
    ),
    "betas for weights": (
        {"sampler": {"name": "fixed", "value": [1.0, 1.0]}},
        "[method.sampler] gives weights that do not sum to 1, such as [1.0, 1.0]; use dirichlet.",
    ),
}


@pytest.mark.parametrize(("settings", "told"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_before_anything_is_trained(settings, told):
    with pytest.raises(ConfigError) as error:
        built(**settings).policy(problem_without_validation(toy()))
    assert str(error.value) == told


def test_a_policy_for_temperatures_that_vary_needs_a_sampler_of_them():
    task = toy(lists=8)
    policy = built(betas="dirichlet").policy(problem_without_validation(task))
    with pytest.raises(ConfigError, match=r"^\[method.betas\] null cannot train a policy for betas that vary.$"):
        trained(built(), task, policy=policy)


def agreement(scores: Tensor, batch: Batch) -> Tensor:
    """`[batch, m]`, the share of the pairs of a list's items that scores order as the labels do."""
    pairs = (batch.items.unsqueeze(1) & batch.items.unsqueeze(2)).unsqueeze(-1)  # [batch, list, list, 1]
    gaps = (scores.unsqueeze(1) - scores.unsqueeze(2)).unsqueeze(-1)  # [batch, list, list, 1]
    wanted = batch.labels.unsqueeze(1) - batch.labels.unsqueeze(2)  # [batch, list, list, m]
    agrees = ((gaps * wanted > 0) & pairs).sum((1, 2)).float()
    return agrees / ((wanted != 0) & pairs).sum((1, 2))


@pytest.mark.slow
def test_a_front_bends_towards_the_objective_with_the_smaller_temperature():
    task = toy(lists=96, conflict=0.6)
    policy = trained(built(betas="dirichlet"), task, epochs=40)
    batches = task.batches("train")
    batch = batches.load(torch.arange(batches.lists))
    shares = torch.linspace(0, 1, 11)
    grid = torch.stack([1 - shares, shares], dim=1)  # [n, m]
    fronts = []
    for ratio in RATIOS:
        steered = policy.steer(Tradeoff(grid, 2 * torch.tensor([ratio])))(batch)  # [n, batch, list]
        fronts.append(torch.stack([agreement(scores, batch).mean(0) for scores in steered]))
    values = torch.stack(fronts)  # [ratio, n, m]
    lead = values[..., 0] - values[..., 1]  # [ratio, n]
    for first, second in (values.mean(1).unbind(1), (values[:, 0, 0], values[:, -1, 1])):  # over all weightings, and at vertices
        assert (first.diff() < 0).all()
        assert (second.diff() > 0).all()
    inside = (shares - 0.5).abs() < 0.15  # at equal weights the best scores are the same at a ratio and its inverse
    assert (lead.diff(dim=0)[:, ~inside] < 0).all(), "at every weighting but the nearly equal ones"
