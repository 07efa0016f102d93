"""The contract of scalarizers."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from moft.interfaces import Scalarizer, WeightedSum
from moft.testing.contracts.assertions import drawn_weights, require, require_finite, require_kind, require_same


def check_scalarizer(scalarizer: Scalarizer) -> None:
    """Checks the contract of scalarizers, for one, two and five objectives.

    It gives one number for each row, the same alone and in a batch. The order of the objectives does not matter, and doubled
    losses give a larger number. Values and gradients are finite at vertices and for losses of zero. Inputs are not changed. The
    value of one with `loss_shares` is the sum of shares times losses, and the shares are 0 or more.

    Raises:
        AssertionError: a rule is broken; the message gives the rule, what was found and the input.
    """
    generator = Generator().manual_seed(0)
    for m in (1, 2, 5):
        on = f"four rows of {m} losses"
        losses = torch.rand(4, m, generator=generator, dtype=torch.float64) + 0.1
        weights = drawn_weights(4, m, generator).double()
        kept = losses.clone(), weights.clone()
        values = scalarizer(losses, weights)
        require_kind(values, Tensor, "one number for each row, a tensor [4]", on)
        untouched = torch.equal(losses, kept[0]) and torch.equal(weights, kept[1])
        require(untouched, "inputs are not changed", "one was changed in place", on)
        require(values.shape == (4,), "one number for each row, [4]", f"shape {list(values.shape)}", on)
        require(values.dtype == torch.float64, "float64 losses give float64", values.dtype, on)
        alone = torch.cat([scalarizer(losses[row : row + 1], weights[row : row + 1]) for row in range(4)])
        require_same(values, alone, "a row gives the same result alone and in a batch", on)
        flipped = scalarizer(losses.flip(1), weights.flip(1))
        require_same(flipped, values, "the order of the objectives does not change the value", on)
        larger = scalarizer(2 * losses, weights)
        seen = f"{values.tolist()} became {larger.tolist()}"
        require(bool((larger > values).all()), "doubled losses give a larger value", seen, on)
        if isinstance(scalarizer, WeightedSum):
            for given in (weights, torch.eye(4, m, dtype=torch.float64)):
                shares = scalarizer.loss_shares(given)
                require_kind(shares, Tensor, f"a share for each loss, a tensor [4, {m}]", on)
                require(shares.shape == (4, m), f"a share for each loss, [4, {m}]", f"shape {list(shares.shape)}", on)
                require(bool((shares >= 0).all()), "shares are 0 or more", shares.tolist(), on)
                summed = (shares * losses).sum(-1)
                require_same(summed, scalarizer(losses, given), "the sum of shares times losses is the value", on)
        _check_edges(scalarizer, m)


def _check_edges(scalarizer: Scalarizer, m: int) -> None:
    for losses, kind in ((torch.zeros(m, m), "losses of zero"), (torch.ones(m, m), "losses of one")):
        on = f"{kind}, weights at the {m} vertices"
        leaf = losses.requires_grad_()
        values = scalarizer(leaf, torch.eye(m))
        require_finite(values, "values are finite", on)
        (slope,) = torch.autograd.grad(values.sum(), leaf)
        require_finite(slope, "gradients are finite", on)
