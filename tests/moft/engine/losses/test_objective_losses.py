"""All losses come from one correction, objectives with a loss of their own keep it, and statistics see the labels alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch
from torch.testing import assert_close

from moft.engine.losses.objective_losses import ObjectiveLosses, check_losses, check_scalarizer, label_statistics
from moft.errors import ConfigError, PluginError, ShapeError
from moft.interfaces import Asks
from moft.types import Batch, Objective
from moft.types.objective import RESERVED, check_objective_names


@dataclass(frozen=True)
class Scaled:
    """A loss that is easy to compute by hand: factor times the sum of rewards times labels."""

    factor: float = 1.0

    def __call__(self, rewards: torch.Tensor, labels: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return self.factor * (rewards * labels * mask).sum(-1)


@dataclass(frozen=True)
class Counting:
    """Counts its calls, so that grouping is seen."""

    calls: list[tuple[int, ...]]

    def __call__(self, rewards: torch.Tensor, labels: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        self.calls.append(tuple(rewards.shape))
        return rewards.sum(-1)


def _batch(labels: torch.Tensor) -> Batch:
    lists, items, _ = labels.shape
    everything = torch.ones(lists, items, dtype=torch.bool)
    zeros = torch.zeros(lists, items)
    return Batch({}, labels, everything.unsqueeze(-1).expand(labels.shape), zeros, everything, zeros, torch.arange(lists))


def test_each_objective_is_its_loss_of_temperature_times_correction():
    labels = torch.rand(2, 3, 2)
    correction, betas = torch.randn(2, 3), torch.tensor([[0.5, 2.0]])
    losses = ObjectiveLosses([Objective("a"), Objective("b", loss=Scaled(3.0))], Scaled())
    first = (0.5 * correction * labels[..., 0]).sum(-1)
    second = 3.0 * (2.0 * correction * labels[..., 1]).sum(-1)
    assert_close(losses(correction, _batch(labels), betas), torch.stack([first, second], dim=1))


def test_rows_may_have_temperatures_of_their_own():
    labels, correction = torch.rand(2, 3, 2), torch.randn(2, 3)
    betas = torch.tensor([[0.5, 2.0], [1.0, 4.0]])
    losses = ObjectiveLosses([Objective("a"), Objective("b")], Scaled())
    whole = losses(correction, _batch(labels), betas)
    for row in range(2):
        alone = losses(correction[row : row + 1], _batch(labels[row : row + 1]), betas[row : row + 1])
        assert_close(whole[row : row + 1], alone)


def test_objectives_with_equal_losses_share_one_call():
    calls: list[tuple[int, ...]] = []
    shared = Counting(calls)
    losses = ObjectiveLosses([Objective("a"), Objective("b"), Objective("c")], shared)
    losses(torch.randn(2, 4), _batch(torch.rand(2, 4, 3)), torch.ones(1, 3))
    assert calls == [(2, 3, 4)]


def test_statistics_count_lists_that_say_something_and_measure_their_gradient():
    labels = torch.zeros(3, 2, 2)
    labels[:, 0, 0] = 1.0
    labels[0, 0, 1] = 2.0

    class Sparse(Scaled):
        """Zero, without gradient, for a list without labels; a constant makes others count at correction zero."""

        def __call__(self, rewards: torch.Tensor, labels: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            return super().__call__(rewards, labels, mask) + (labels.sum(-1) > 0)

    losses = ObjectiveLosses([Objective("a"), Objective("b")], Sparse())
    found = label_statistics(losses, [_batch(labels[:2]), _batch(labels[2:])], torch.tensor([[1.0, 0.5]]))
    assert found.lists == 3
    assert found.labelled.tolist() == [3, 1]
    assert_close(found.share, torch.tensor([1.0, 1 / 3], dtype=torch.float64))
    assert_close(found.gradient, torch.tensor([1.0, 0.5 * 2.0], dtype=torch.float64))


@pytest.mark.parametrize(
    ("returned", "told"),
    [
        (lambda rewards: None, "returned NoneType for rewards"),
        (lambda rewards: rewards.sum(), r"returned a tensor of shape \(\) for rewards of shape \(2, 2, 3\)"),
        (lambda rewards: rewards, r"has to return a cost for each list, of shape \(2, 2\)"),
        (lambda rewards: rewards.detach().sum(-1), "returned costs without a gradient"),
    ],
)
def test_a_loss_that_cannot_be_trained_on_is_named(returned, told):
    class Odd:
        def __call__(self, rewards, labels, mask):
            return returned(rewards)

    losses = ObjectiveLosses([Objective("a"), Objective("b")], Odd())
    with pytest.raises(ShapeError, match=f"loss Odd .*{told}" if told.startswith("has") else f"loss Odd {told}"):
        label_statistics(losses, [_batch(torch.rand(2, 3, 2))], torch.ones(1, 2))


@pytest.mark.parametrize("name", [*RESERVED, "", " ", " a", "a\nb", "a,b", "a=b"])
def test_a_name_that_means_something_else_or_cannot_be_typed_is_refused(name):
    with pytest.raises(ConfigError, match="an objective cannot be called"):
        check_objective_names([Objective("fine"), Objective(name)])


def test_names_may_have_spaces_inside_colons_and_any_alphabet():
    check_objective_names([Objective("url clicks"), Objective("clicks:7d"), Objective("précision 日本"), Objective("a.b")])


def test_a_loss_that_fails_is_named_in_one_line():
    class Broken(Scaled):
        """Fails on every list."""

        def __call__(self, rewards: torch.Tensor, labels: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            raise ValueError("no such\nthing")

    losses = ObjectiveLosses([Objective("a")], Broken())
    with pytest.raises(PluginError, match=r"^loss Broken failed on rewards \[2, 1, 3\] \(ValueError: no such thing\)"):
        losses(torch.randn(2, 3), _batch(torch.rand(2, 3, 1)), torch.ones(1, 1))


@pytest.mark.parametrize("touched", ["labels", "mask"])
def test_a_loss_that_changes_the_labels_or_the_mask_of_the_data_is_told(touched):
    class Halving:
        def __call__(self, rewards, labels, mask):
            {"labels": labels, "mask": mask}[touched].zero_()
            return rewards.sum(-1)

    batch = _batch(torch.ones(2, 3, 1))
    with pytest.raises(PluginError, match=r"^loss Halving changes its labels or its mask in place; it has to work on a copy\."):
        ObjectiveLosses([Objective("a")], Halving())(torch.zeros(2, 3, requires_grad=True), batch, torch.ones(1, 1))


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (lambda losses, weights: None, "^scalarizer function returned NoneType for losses .2, 3., not .2."),
        (lambda losses, weights: losses.sum(), "^scalarizer function returned .. for losses .2, 3., not .2."),
        (lambda losses: losses, "^scalarizer function failed on losses .2, 3. .TypeError: .*MOFT_TRACE=1 shows where"),
    ],
)
def test_a_scalarizer_that_gives_no_number_for_each_list_is_told(returned, message):
    with pytest.raises((PluginError, ShapeError), match=message):
        check_scalarizer(returned, 3)


def test_the_weight_of_a_list_multiplies_its_cost_and_counts_in_statistics():
    labels = torch.zeros(3, 2, 1)
    labels[:2, 0, 0] = torch.tensor([1.0, 2.0])

    class Sparse(Scaled):
        """Zero for a list without labels; a constant makes others count at correction zero."""

        def __call__(self, rewards, labels, mask):
            return (rewards * labels).sum(-1) + (labels.sum(-1) > 0)

    losses = ObjectiveLosses([Objective("a")], Sparse())
    plain, weights = _batch(labels), torch.tensor([0.5, 1.0, 1.5])
    weighted = replace(plain, list_weights=weights)
    correction = torch.randn(3, 2)
    assert_close(
        losses(correction, weighted, torch.ones(1, 1)), losses(correction, plain, torch.ones(1, 1)) * weights.unsqueeze(1)
    )
    found = label_statistics(losses, [weighted], torch.ones(1, 1))
    assert (found.lists, found.labelled.tolist(), found.share.tolist()) == (3, [2], [0.5])
    assert found.gradient.item() == pytest.approx((0.5 * 1 + 1.0 * 2) / 1.5)
    same = label_statistics(losses, [replace(plain, list_weights=torch.ones(3))], torch.ones(1, 1))
    alike = label_statistics(losses, [plain], torch.ones(1, 1))
    assert (same.share.tolist(), same.gradient.tolist()) == (alike.share.tolist(), alike.gradient.tolist())


def test_a_loss_that_does_not_weight_items_is_refused_where_they_have_weights():
    batch, objectives = _batch(torch.rand(2, 3, 2)), [Objective("clicks"), Objective("price")]
    weights = torch.ones(2, 3, 2)
    weights[..., 1] = 2.0
    with pytest.raises(
        ConfigError, match="price: its items have weights, such as inverse propensities, which loss Scaled does not"
    ):
        check_losses(objectives, Scaled(), replace(batch, item_weights=weights))
    check_losses(objectives, Scaled(), replace(batch, item_weights=torch.ones(2, 3, 2)))
    with pytest.raises(ConfigError, match="price: its items have weights"):
        label_statistics(ObjectiveLosses(objectives, Scaled()), [replace(batch, item_weights=weights)], torch.ones(1, 2))


def test_each_objective_gets_the_weights_of_its_own_items():
    @dataclass(frozen=True)
    class Weighted(Scaled):
        asks: ClassVar[Asks] = Asks(item_weights=True)

        def __call__(self, rewards, labels, mask, context=None):
            return (rewards * labels * (1 if context is None else context.item_weights)).sum(-1)

    labels, weights, correction = torch.rand(2, 3, 2), torch.rand(2, 3, 2), torch.randn(4, 2, 3)
    batch = replace(_batch(labels), item_weights=weights)
    for losses in (
        ObjectiveLosses([Objective("a"), Objective("b")], Weighted()),
        ObjectiveLosses([Objective("a", loss=Weighted(2.0)), Objective("b")], Weighted()),
    ):
        found = losses(correction, batch, torch.ones(1, 2))
        assert_close(found, (correction.unsqueeze(-1) * labels * weights).sum(-2))
    assert_close(
        ObjectiveLosses([Objective("a"), Objective("b")], Weighted())(correction, _batch(labels), torch.ones(1, 2)),
        (correction.unsqueeze(-1) * labels).sum(-2),
    )
