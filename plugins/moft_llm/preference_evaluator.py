"""The evaluator `preference`: how well the rewards of a policy order held-out labelled responses."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Annotated, Literal

import torch
from torch import Tensor

from moft.api import Batch, Default, ListValues, Loss, Objective, Steered
from moft_llm.data.label_transforms import is_by_item

Value = Literal["accuracy", "margin", "loss"]
DESCRIPTIONS = {
    "accuracy": "share of a prompt's ordered pairs of responses that the rewards order the same way; ties count half",
    "margin": "mean reward difference between the better and the worse response of a prompt's ordered pairs",
    "loss": "1 minus the held-out loss of a prompt",
}


class Preference:
    """Accuracy and margin of the rewards, and held-out loss, per objective. One of them is the value; all three are written.

    The reward is beta x (score - reference score), so the dial changes none of the three. Prompts whose labels do not order two
    responses are skipped for that objective.

    Args:
        objectives: of the task.
        main: unused; preferences have no main objective.
        value: of a point. `loss` gives 1 - loss, so that the hypervolume against the origin is that of losses against one.
        loss: of the objectives without a loss of their own.
    """

    def __init__(
        self,
        objectives: tuple[Objective, ...],
        main: Objective | None,
        *,
        value: Value = "accuracy",
        loss: Annotated[Loss, Default("listnet")],
    ) -> None:
        self._objectives, self._value = objectives, value
        self._losses = [objective.loss or loss for objective in objectives]
        self.metric = (
            f"{DESCRIPTIONS[value]}; reward is beta x (score - reference score); prompts without an ordered pair are skipped"
        )
        if by_item := [objective.name for objective, loss in zip(objectives, self._losses, strict=True) if is_by_item(loss)]:
            self.metric += (
                f"; of {', '.join(by_item)}, each response counts alone: its reward is above 0 for a good one, else below"
            )

    def __call__(self, steered: Steered, batches: Iterable[Batch]) -> ListValues:
        parts: dict[str, list[Tensor]] = {name: [] for name in DESCRIPTIONS}
        lists = []
        for batch in batches:
            for name, values in self._measure(steered, batch).items():
                parts[name].append(values.cpu())
            lists.append(batch.lists.cpu())
        whole = {name: torch.cat(values, dim=1) for name, values in parts.items()}  # [n, lists, m]
        values = 1 - whole["loss"] if self._value == "loss" else whole[self._value]
        more = {
            f"{objective.name} {name}": whole[name][..., index]
            for index, objective in enumerate(self._objectives)
            for name in DESCRIPTIONS
        }
        return ListValues(values, torch.full(values.shape[:2], math.nan), torch.cat(lists), more)

    def _measure(self, steered: Steered, batch: Batch) -> dict[str, Tensor]:
        """`[n, batch, m]` each, NaN where labels order no two responses, or, if they count by item, where there is none."""
        change = (steered(batch) - batch.reference).float()  # [n, batch, list]
        betas = steered.tradeoff.expand(len(change)).betas.to(change)  # [n, m]
        columns: dict[str, list[Tensor]] = {name: [] for name in DESCRIPTIONS}
        for index, loss in enumerate(self._losses):
            labels, mask = batch.labels[..., index], batch.mask[..., index] & batch.items  # [batch, list]
            rewards = betas[:, index, None, None] * change  # [n, batch, list]
            if is_by_item(loss):
                ordered = mask.unsqueeze(-1)  # [batch, list, 1]
                gap = (torch.where(labels >= 0.5, rewards, -rewards) * mask).unsqueeze(-1)  # [n, batch, list, 1]
            else:
                ordered = (
                    (labels.unsqueeze(-1) > labels.unsqueeze(-2)) & mask.unsqueeze(-1) & mask.unsqueeze(-2)
                )  # [batch, list, list]
                gap = (rewards.unsqueeze(-1) - rewards.unsqueeze(-2)) * ordered  # [n, batch, list, list]
            count = ordered.sum((-2, -1))  # [batch]
            right = ((gap > 0).float() + 0.5 * (gap == 0)) * ordered
            costs = loss(rewards, labels.expand_as(rewards), mask.expand_as(rewards))
            for name, values in (
                ("accuracy", right.sum((-2, -1)) / count.clamp(min=1)),
                ("margin", gap.sum((-2, -1)) / count.clamp(min=1)),
                ("loss", costs),
            ):
                columns[name].append(values.masked_fill(count == 0, math.nan))
        return {name: torch.stack(values, dim=-1).double() for name, values in columns.items()}
