"""The contract of losses."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from moft.interfaces import Asks, ContextLoss, ListContext, Loss
from moft.testing.contracts.assertions import require, require_finite, require_kind, require_same

_ITEMS = 5
_Lists = tuple[Tensor, Tensor, Tensor]


def check_loss(loss: Loss) -> None:
    """Checks the contract of losses, on random lists of distinct labels >= 0.

    It gives one cost for each list, with any number of batch axes, also in float64 and half precision. A list costs the same
    alone and in a batch. Padding and the order of items do not matter. Gradients are finite, and zero for masked items. A list
    with fewer than two items costs zero and has no gradient; one item is enough if the loss asks for labels by item. A larger
    reward for the best item lowers the cost. Costs are finite for rewards of 10,000.

    A loss that asks for a context gets one: the rewards as final scores, and attributes that are 0, 1 or 2. If it asks for
    attributes, a larger reward for the best item need not lower its cost. If it asks for item weights, ones change nothing, and
    the weight of a masked item does not count.

    Raises:
        AssertionError: a rule is broken; the message gives the rule, what was found and the input.
    """
    asks = loss.asks if isinstance(loss, ContextLoss) else Asks()
    require(isinstance(asks, Asks), "`asks`, an Asks", repr(asks), "the loss")
    called = _InContext(loss, asks)
    _check_shapes(called)
    _check_masks(called)
    _check_order(called)
    _check_short_lists(called, least=1 if asks.by_item else 2)
    if not asks.attributes:
        _check_direction(called)
    _check_precision(called)
    if asks.item_weights:
        _check_item_weights(called)


class _InContext:
    """A loss that gets the context that it asks for, made from the labels, so that it follows the items in any order."""

    def __init__(self, loss: Loss, asks: Asks) -> None:
        self._loss, self._asks = loss, asks

    def __call__(self, rewards: Tensor, labels: Tensor, mask: Tensor, weights: Tensor | None = None) -> Tensor:
        if weights is None and not self._asks.scores and not self._asks.attributes:
            return self._loss(rewards, labels, mask)
        attributes = {name: (2 * labels).remainder(3).to(rewards.dtype) for name in self._asks.attributes}
        return self._loss(rewards, labels, mask, ListContext(rewards, attributes, weights))  # type: ignore[call-arg]


def _check_shapes(loss: Loss) -> None:
    for leading in ((), (4,), (2, 3), (2, 1, 3)):
        rewards, labels, mask = _lists(*leading)
        on = f"rewards of shape {list(rewards.shape)}"
        before = rewards.clone(), labels.clone(), mask.clone()
        costs = loss(rewards, labels, mask)
        require_kind(costs, Tensor, f"a cost for each list, a tensor {list(leading)}", on)
        require(tuple(costs.shape) == leading, f"a cost for each list, {list(leading)}", f"shape {list(costs.shape)}", on)
        untouched = all(torch.equal(now, then) for now, then in zip((rewards, labels, mask), before, strict=True))
        require(untouched, "inputs are not changed", "one was changed in place", on)
        rows = zip(*(tensor.reshape(-1, _ITEMS) for tensor in before), strict=True)
        alone = torch.stack([loss(*row) for row in rows])
        require_same(costs.reshape(-1), alone, "a list costs the same alone and in a batch", on)


def _check_masks(loss: Loss) -> None:
    rewards, labels, mask = _lists(4)
    rewards.requires_grad_()
    costs = loss(rewards, labels, mask)
    (slope,) = torch.autograd.grad(costs.sum(), rewards)
    require_finite(slope, "gradients are finite", "random lists with masked items")
    require(bool((slope[~mask] == 0).all()), "a masked item gets no gradient", slope[~mask].tolist(), "random lists")
    for place in ("before", "behind"):
        padding = rewards.new_full((4, 3), 1e4).detach(), labels.new_full((4, 3), 7.0), mask.new_zeros(4, 3)
        pairs = zip((rewards, labels, mask), padding, strict=True)
        longer = [torch.cat([more, one] if place == "before" else [one, more], dim=-1) for one, more in pairs]
        require_same(loss(*longer), costs, "masked items do not change the cost", f"lists with three masked items {place} them")


def _check_order(loss: Loss) -> None:
    rewards, labels, mask = _lists(4)
    order = torch.randperm(_ITEMS, generator=Generator().manual_seed(1))
    again = loss(rewards[:, order], labels[:, order], mask[:, order])
    require_same(
        again,
        loss(rewards, labels, mask),
        "the order of the items does not change the cost",
        "lists of distinct labels, permuted",
    )


def _check_short_lists(loss: Loss, least: int) -> None:
    few = "fewer than two items" if least == 2 else "no item"
    for items, kind in ((0, "no item that counts"), (1, "one item that counts"))[:least]:
        rewards, labels, mask = _lists(3)
        mask[1] = torch.arange(_ITEMS) < items
        rewards.requires_grad_()
        costs = loss(rewards, labels, mask)
        (slope,) = torch.autograd.grad(costs.sum(), rewards)
        on = f"a list with {kind}, beside others"
        require(float(costs[1].detach()) == 0.0, f"a list with {few} costs exactly zero", costs[1].item(), on)
        require(bool((slope[1] == 0).all()), f"a list with {few} passes no gradient", slope[1].tolist(), on)
        require_finite(slope, f"a list with {few} leaves the gradients of other lists finite", on)


def _check_direction(loss: Loss) -> None:
    _, labels, mask = _lists(4)
    rewards = torch.zeros_like(labels).requires_grad_()
    (slope,) = torch.autograd.grad(loss(rewards, labels, mask).sum(), rewards)
    best = slope.gather(-1, labels.masked_fill(~mask, -1.0).argmax(-1, keepdim=True)).squeeze(-1)
    rule = "a larger reward for the best item lowers the cost"
    require(bool((best < 0).all()), rule, f"the gradient {best.tolist()} of the best items", "rewards of zero")


def _check_item_weights(loss: _InContext) -> None:
    rewards, labels, mask = _lists(4)
    plain, ones = loss(rewards, labels, mask), torch.ones_like(rewards)
    require_same(loss(rewards, labels, mask, ones), plain, "item weights of one change nothing", "random lists")
    odd = loss(rewards, labels, mask, ones.masked_fill(~mask, 7.0))
    require_same(odd, plain, "the weight of a masked item does not count", "random lists with masked items")


def _check_precision(loss: Loss) -> None:
    rewards, labels, mask = _lists(4)
    exact = loss(rewards, labels, mask)
    require(exact.dtype == torch.float64, "the cost of float64 rewards is float64", exact.dtype, "float64 lists")
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        rounded = rewards.to(dtype)
        costs = loss(rounded, labels.float(), mask)
        expected = loss(rounded.double(), labels, mask)
        rule = "the cost agrees with that in float64, within the precision of the rewards"
        require_same(costs, expected, rule, f"rewards of {dtype}", tolerance=1e-5 if dtype == torch.float32 else 0.05)
    for dtype in (torch.float32, torch.float64):
        extreme = (1e4 * rewards.sign()).to(dtype).requires_grad_()
        costs = loss(extreme, labels.to(dtype), mask)
        (slope,) = torch.autograd.grad(costs.sum(), extreme)
        require_finite(costs, "costs are finite", f"rewards of plus and minus 10,000, {dtype}")
        require_finite(slope, "gradients are finite", f"rewards of plus and minus 10,000, {dtype}")


def _lists(*leading: int) -> _Lists:
    """Random lists in float64: rewards, distinct labels >= 0, and a mask that keeps at least two items."""
    generator = Generator().manual_seed(0)
    rewards = torch.randn(*leading, _ITEMS, generator=generator, dtype=torch.float64)
    labels = torch.rand(*leading, _ITEMS, generator=generator).argsort(-1).double() / 2
    mask = torch.rand(*leading, _ITEMS, generator=generator) < 0.7
    mask[..., :2] = True
    return rewards, labels, mask
