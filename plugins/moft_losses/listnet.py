"""ListNet: the cross entropy of the labels and the rewards of one list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Lt
from torch import Tensor

from moft import ConfigError, DataError
from moft.api import Positive
from moft_losses.masked_softmax import masked_log_softmax, masked_softmax, widened


@dataclass(frozen=True, kw_only=True)
class ListNet:
    """Cross entropy of the labels, made a distribution, and the softmax of the rewards.

    For two items labelled (1, 0) and `target="sum"` it is the loss of DPO, `-log sigmoid(r_1 - r_2)`. It does not
    change when all rewards of a list are shifted. Half precision is computed, and returned, in float32.

    Args:
        target: how a list's labels become a distribution. `softmax` is for graded labels, and says something of every list
            of two items or more. `sum` divides by the sum, for sparse labels, which must be >= 0; a list without
            label mass then costs zero and passes no gradient.
        sharpness: what labels are multiplied by before the softmax. A larger value puts more of the target on a list's best
            items; labels that lie between 0 and 1 need one well above 1, or every target is nearly flat.
        smoothing: share of each item's target that is dealt to the other items, below 0.5 so that every list keeps its order;
            the chance that a label is wrong. For pairs it is the label smoothing of conservative DPO.

    Raises:
        ConfigError: a sharpness other than one goes with `target="sum"`, which it does not change.
        DataError: when called under `target="sum"` with a negative label that counts.

    Source: Cao et al. 2007 (ListNet), with the top-one probabilities; on rewards: Liu et al. 2024 (LiPO),
    arXiv 2402.01878; on pairs: Rafailov et al. 2023 (DPO), equation 7.
    """

    target: Literal["softmax", "sum"] = "softmax"
    sharpness: Positive = 1.0
    smoothing: Annotated[float, Ge(0), Lt(0.5)] = 0.0

    def __post_init__(self) -> None:
        if self.target == "sum" and self.sharpness != 1:
            raise ConfigError(f"[listnet] sharpness {self.sharpness:g} changes nothing under target: sum; use target: softmax.")

    def __call__(self, rewards: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
        rewards = widened(rewards)
        labels = labels.to(rewards.dtype)
        says = mask.sum(-1) > 1  # [...]
        if self.target == "softmax":
            targets = masked_softmax(labels * self.sharpness, mask)  # [..., list]
        else:
            kept = labels.masked_fill(~mask, 0.0)
            if bool((kept < 0).any()):
                raise DataError(
                    f"[listnet] target: sum divides labels by their sum, so none may be negative, and one is {kept.min():g}; use "
                    "target: softmax, or a transform that makes labels 0 or more."
                )
            mass = kept.sum(-1)  # [...]
            says = says & (mass > 0)
            targets = kept / torch.where(says, mass, 1.0).unsqueeze(-1)  # [..., list]
        if self.smoothing:
            others = (mask.sum(-1, keepdim=True) - 1).clamp(min=1)
            targets = ((1 - self.smoothing) * targets + self.smoothing * (1 - targets) / others).masked_fill(~mask, 0.0)
        cost = -(targets * masked_log_softmax(rewards, mask)).sum(-1)  # [...]
        return cost.masked_fill(~says, 0.0)
