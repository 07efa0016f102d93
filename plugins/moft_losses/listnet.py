"""The loss `listnet`: the cross entropy of the labels and the rewards of a list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Ge, Lt
from torch import Tensor

from moft import ConfigError, DataError
from moft.api import Asks, ListContext, Positive
from moft_losses.masked_softmax import masked_log_softmax, sharpened_softmax, widened, within_range


@dataclass(frozen=True, kw_only=True)
class ListNet:
    """Cross entropy of the target distribution, made from the labels, and the softmax of the rewards.

    For two items with labels (1, 0) and `target="sum"`, it is the loss of DPO, `-log sigmoid(r_1 - r_2)`. It does not
    change when all rewards of a list are shifted. Half precision is computed, and returned, in float32.

    Args:
        target: how the labels of a list become a distribution. `softmax` is for graded labels; every list of two items or more
            then counts. `sum` divides labels by their sum and is for sparse labels, which must be >= 0; a list whose labels are
            all zero then costs zero and has no gradient.
        sharpness: factor on the labels before the softmax. A larger value puts more of the target on a list's best items;
            labels between 0 and 1 need a value well above 1, otherwise every target is nearly flat.
        smoothing: share of each item's target that is distributed to the other items, 0 to below 0.5, which keeps the order; the
            probability that a label is wrong. For pairs, it is the label smoothing of conservative DPO.

    Raises:
        ConfigError: `sharpness` is not 1 with `target="sum"`, where it has no effect.
        DataError: in a call with `target="sum"`, a label that counts is negative.

    Source: Cao et al. 2007 (ListNet), with the top-one probabilities; on rewards: Liu et al. 2024 (LiPO),
    arXiv 2402.01878; on pairs: Rafailov et al. 2023 (DPO), equation 7.
    """

    target: Literal["softmax", "sum"] = "softmax"
    sharpness: Positive = 1.0
    smoothing: Annotated[float, Ge(0), Lt(0.5)] = 0.0

    asks: ClassVar[Asks] = Asks(item_weights=True)

    def __post_init__(self) -> None:
        if self.target == "sum" and self.sharpness != 1:
            raise ConfigError(f"[listnet] sharpness {self.sharpness:g} has no effect with target: sum; use target: softmax.")

    def __call__(self, rewards: Tensor, labels: Tensor, mask: Tensor, context: ListContext | None = None) -> Tensor:
        rewards = widened(rewards)
        targets, counts = self._targets(rewards, labels, mask, context)
        cost = -(targets * masked_log_softmax(rewards, mask)).sum(-1)  # [...]
        return cost.masked_fill(~counts, 0.0)

    def derivatives(
        self, rewards: Tensor, labels: Tensor, mask: Tensor, context: ListContext | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """In closed form: softmax minus target, and softmax x (1 - softmax)."""
        rewards = widened(rewards)
        targets, counts = self._targets(rewards, labels, mask, context)
        logarithms = masked_log_softmax(rewards, mask)  # [..., list]
        shares = logarithms.exp().masked_fill(~mask, 0.0)
        cost, counted = -(targets * logarithms).sum(-1), counts.unsqueeze(-1)
        return cost.masked_fill(~counts, 0.0), (shares - targets) * counted, shares * (1 - shares) * counted

    def _targets(self, rewards: Tensor, labels: Tensor, mask: Tensor, context: ListContext | None) -> tuple[Tensor, Tensor]:
        """`[..., list]`, the target distributions, and `[...]`, whether a list counts."""
        labels = labels.to(rewards.dtype)
        counts = mask.sum(-1) > 1  # [...]
        if self.target == "softmax":
            targets = sharpened_softmax(labels, self.sharpness, mask)  # [..., list]
        else:
            known = labels.masked_fill(~mask, 0.0)
            if bool((known < 0).any()):
                raise DataError(
                    f"[listnet] target: sum needs labels of 0 or more, got {known.min():g}; use target: softmax, or a transform "
                    "that makes labels 0 or more."
                )
            known = within_range(known, known.sum(-1))
            total = known.sum(-1)  # [...]
            counts = counts & (total > 0)
            targets = known / torch.where(counts, total, 1.0).unsqueeze(-1)  # [..., list]
        if self.smoothing:
            others = (mask.sum(-1, keepdim=True) - 1).clamp(min=1)
            targets = ((1 - self.smoothing) * targets + self.smoothing * (1 - targets) / others).masked_fill(~mask, 0.0)
        if context is not None and context.item_weights is not None:
            weighted = targets * context.item_weights
            targets = weighted / torch.where(counts, weighted.sum(-1), 1.0).unsqueeze(-1)
        return targets, counts
