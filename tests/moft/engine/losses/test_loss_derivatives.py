"""Derivatives of the losses of all objectives: closed forms equal autograd, with weights of lists and items."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from moft.api import Batch, Objective, ObjectiveLosses, loss_derivatives, sum_derivatives
from moft.config.build_component import resolve
from moft.interfaces import Loss

LOSSES = [
    {"name": "listnet"},
    {"name": "listnet", "target": "sum", "smoothing": 0.1},
    {"name": "pairwise-logistic"},
    {"name": "pairwise-logistic", "smoothing": 0.2},
    {"name": "lipo-lambda"},
    {"name": "lipo-lambda", "gain": "exp2"},
    {"name": "lipo-lambda", "k": 2},
    {"name": "plackett-luce"},
    {"name": "ipo"},
]


def batch_of(*, is_shared=False, **more):
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 4, (3, 6, 2), generator=generator).double()
    mask = torch.rand(3, 6, 2, generator=generator) < 0.8
    mask = mask.all(-1, keepdim=True).expand(3, 6, 2) if is_shared else mask
    reference, items = torch.randn(3, 6, generator=generator, dtype=torch.float64), torch.ones(3, 6, dtype=torch.bool)
    return Batch({}, labels, mask, reference, items, torch.zeros(3, 6), torch.arange(3), **more)


@pytest.mark.parametrize("is_shared", [False, True], ids=["different rewards", "equal rewards"])
@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("given", LOSSES, ids=str)
def test_they_equal_those_of_autograd(given, is_weighted, is_shared, plugins):
    loss = resolve(Loss, given, plugins).make()
    takes_weights = is_weighted and hasattr(loss, "asks")
    weights = {"list_weights": torch.tensor([0.5, 1.0, 1.5]).double()} if is_weighted else {}
    if takes_weights:
        weights["item_weights"] = torch.rand(3, 6, 2, generator=torch.Generator().manual_seed(1)).double() + 0.5
    batch, betas = batch_of(is_shared=is_shared, **weights), torch.tensor([[1.0, 1.0 if is_shared else 0.5]]).double()
    losses = ObjectiveLosses([Objective("a"), Objective("b", 0.5)], loss)
    correction = (torch.randn(3, 6, generator=torch.Generator().manual_seed(2)).double() * 2).round().div(2).requires_grad_()
    found = loss_derivatives(losses, correction, batch, betas)
    costs = losses(correction, batch, betas)
    torch.testing.assert_close(found.costs, costs.detach())
    for index in range(2):
        (first,) = torch.autograd.grad(costs[:, index].sum(), correction, create_graph=True)
        torch.testing.assert_close(found.first[:, index], first.detach())
        for place in range(6):
            second = torch.zeros_like(first)
            if first.requires_grad:
                (second,) = torch.autograd.grad(first[:, place].sum(), correction, retain_graph=True)
            torch.testing.assert_close(found.second[:, index, place], second[:, place])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("more", [{}, {"is_shared": True}, {"is_shared": True, "item_weights": None}], ids=str)
@pytest.mark.parametrize("given", [*LOSSES, {"name": "approx-ndcg"}], ids=str)
def test_a_sum_is_that_of_all_derivatives_whatever_shares_are_zero(given, more, dtype, plugins):
    loss = resolve(Loss, given, plugins).make()
    generator = torch.Generator().manual_seed(3)
    if "item_weights" in more:
        more = more | {"item_weights": torch.rand(3, 6, 2, generator=generator).double() + 0.5 if hasattr(loss, "asks") else None}
    batch = batch_of(list_weights=torch.tensor([0.5, 1.0, 1.5]).double(), **more)
    batch = replace(
        batch, labels=batch.labels.to(dtype), reference=batch.reference.to(dtype), list_weights=batch.list_weights.to(dtype)
    )
    losses = ObjectiveLosses([Objective("a"), Objective("b", 0.5)], loss)
    correction = (torch.randn(4, 3, 6, generator=generator).double() * 2).round().div(2).to(dtype)
    correction[0] = 0.0
    shares = torch.rand(4, 3, 2, generator=generator).to(dtype)
    shares[1, :, 0] = shares[2, 1:, 1] = shares[3, 0] = 0.0
    for betas in (torch.tensor([[1.0, 1.0]]), torch.tensor([[2.0, 0.5]]), torch.rand(4, 3, 2, generator=generator) + 0.5):
        found = sum_derivatives(losses, correction, batch, betas.to(dtype), shares)
        every = loss_derivatives(losses, correction, batch, betas.to(dtype))
        tolerance = {"rtol": 1e-5, "atol": 2e-6} if dtype == torch.float32 else {"rtol": 1e-7, "atol": 1e-12}
        for value, full in zip(found, (every.costs.unsqueeze(-1), every.first, every.second), strict=True):
            expected = (full * shares.unsqueeze(-1)).sum(-2).view_as(value)
            torch.testing.assert_close(value, expected, **tolerance)


def test_objectives_without_a_share_are_not_computed():
    from dataclasses import dataclass, field

    @dataclass(frozen=True)
    class Counting:
        rows: list = field(default_factory=list, compare=False)

        def __call__(self, rewards, labels, mask):
            pytest.fail("a loss that gives its derivatives is not differentiated")

        def derivatives(self, rewards, labels, mask):
            self.rows.append(rewards[..., 0].numel())
            return rewards.sum(-1), torch.ones_like(rewards), torch.zeros_like(rewards)

    loss = Counting()
    losses = ObjectiveLosses([Objective("a"), Objective("b")], loss)
    shares = torch.tensor([[0.5, 0.5], [1.0, 0.0], [0.0, 0.0]]).double()
    _, first, _ = sum_derivatives(losses, torch.zeros(3, 6).double(), batch_of(), torch.ones(1, 2).double(), shares)
    assert loss.rows == [3]
    assert first[:, 0].tolist() == [1.0, 1.0, 0.0]
    sum_derivatives(losses, torch.zeros(3, 6).double(), batch_of(), torch.ones(1, 2).double(), torch.zeros_like(shares))
    assert loss.rows == [3]


def test_a_loss_of_final_scores_is_differentiated_through_them():
    from dataclasses import dataclass
    from typing import ClassVar

    from moft.api import Asks

    @dataclass(frozen=True)
    class Squares:
        asks: ClassVar[Asks] = Asks(scores=True)

        def __call__(self, rewards, labels, mask, context):
            return (context.scores**2 * mask).sum(-1) + rewards.sum(-1) * 0

    batch = batch_of()
    correction = torch.full((3, 6), 0.5).double()
    found = loss_derivatives(
        ObjectiveLosses([Objective("a"), Objective("b")], Squares()), correction, batch, torch.ones(1, 2).double()
    )
    final = (batch.reference + correction).unsqueeze(1) * batch.mask.transpose(1, 2)
    torch.testing.assert_close(found.first, 2 * final)
    torch.testing.assert_close(found.second, 2.0 * batch.mask.transpose(1, 2).double())
