"""Transforms of an objective's labels before training, within the responses to each prompt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import MinLen
from torch import Tensor

from moft import ConfigError, DataError
from moft.api import ContextLoss, Loss, Positive
from moft_llm.data.preference_example import Example

Transform = Literal["none", "standardise", "min-max"]

DESCRIPTIONS = {
    "none": "as is",
    "standardise": "mean 0 and deviation 1 within the list",
    "min-max": "scaled to 0..1 within the list",
}

_TINY = 1e-100


def is_by_item(loss: Loss | None) -> bool:
    """Whether a loss takes labels that say of each response by itself whether it is good."""
    return isinstance(loss, ContextLoss) and loss.asks.by_item


@dataclass(frozen=True)
class TextLabel:
    """An objective, read from one label of the data. Larger is better.

    Args:
        label: its name in the data; null for the name of the objective.
        transform: `none`; `standardise` gives the labels of each prompt mean 0 and deviation 1; `min-max` scales them to 0..1. A
            loss that divides labels by their sum needs labels >= 0, so it cannot be used with `standardise`.
        sharpness: factor on the transformed labels. A larger value puts more of a softmax target on the best responses.
        beta: DPO's beta, > 0; larger stays closer to the base model.
        loss: of this objective; null for the method's. Only here, `unpaired-logistic` takes prompts with one response.
    """

    label: Annotated[str, MinLen(1)] | None = None
    transform: Transform = "none"
    sharpness: Positive = 1.0
    beta: Positive = 0.1
    loss: Loss | None = None

    def __post_init__(self) -> None:
        if is_by_item(self.loss) and (self.transform != "none" or self.sharpness != 1):
            raise ConfigError(
                "[task.objectives] a loss of single responses takes labels as they are, 0.5 or more for good ones. Leave out "
                "transform and sharpness."
            )

    def transformed(self, labels: Tensor, mask: Tensor) -> Tensor:
        """Labels to train on, `[..., list]`; zero where `mask` is False, and where all labels of a list are equal.

        Args:
            labels: `[..., list]`, finite.
            mask: `[..., list]` bool, True where a response is labelled.
        """
        values = labels.double().masked_fill(~mask, 0.0)  # float32 would overflow
        low, high = _extremes(values, mask)
        spread = torch.where(high > low, high - low, torch.inf)
        if self.transform == "standardise":
            values = values / torch.where(spread < _TINY, spread, 1.0)  # whose square would be zero
            count = mask.sum(-1, keepdim=True).clamp(min=1)
            centred = (values - values.sum(-1, keepdim=True) / count).masked_fill(~mask, 0.0)
            deviation = (centred.square().sum(-1, keepdim=True) / count).sqrt()  # [..., 1]
            values = centred / torch.where(high > low, deviation, torch.inf)
        elif self.transform == "min-max":
            values = (values - low).masked_fill(~mask, 0.0) / spread
        return (values * self.sharpness).to(labels.dtype)

    def description(self, name: str) -> str:
        """What a label of the objective `name` is, for reports."""
        factor = "" if self.sharpness == 1 else f", times {self.sharpness:g}"
        return f"label {self.label or name!r}, {DESCRIPTIONS[self.transform]}{factor}"


def has_preference(labels: Tensor, mask: Tensor) -> Tensor:
    """`[..., 1]`, True for lists in which one label is above another. Both `[..., list]`."""
    low, high = _extremes(labels, mask)
    return high > low


def prefers(example: Example, label: str) -> bool:
    """Whether a label is above another one in a list."""
    return len({value for value in example.labels.get(label, ()) if value is not None}) > 1


def check_labels(examples: Iterable[Example], objectives: Mapping[str, TextLabel]) -> None:
    """Checks that every objective can be trained on these prompts.

    Raises:
        DataError: the label of an objective is missing, or never prefers one response to another.
    """
    known: set[str] = set()
    preferring: set[str] = set()
    for example in examples:
        known.update(example.labels)
        preferring.update(name for name in example.labels.keys() - preferring if prefers(example, name))
    for name, settings in objectives.items():
        label = settings.label or name
        if label not in known:
            raise DataError(
                f"[task.objectives.{name}] no training prompt has the label {label!r}. "
                f"Labels in the data: {', '.join(sorted(known)) or 'none'}."
            )
        if label not in preferring and not is_by_item(settings.loss):
            raise DataError(
                f"[task.objectives.{name}] the label {label!r} is equal for all responses to every training prompt, so there is "
                "nothing to train on."
            )


def label_columns(
    examples: Sequence[Example], sizes: Tensor, objectives: Mapping[str, TextLabel]
) -> tuple[Tensor, Tensor, dict[str, int]]:
    """`[items, m]` transformed labels and their mask, and by objective how many prompts prefer one response to another.

    A prompt whose labels are all equal counts as not labelled, unless the loss takes labels by item.

    Args:
        examples: at least one.
        sizes: `[lists]` int64, responses of each.
        objectives: in order.

    Raises:
        DataError: labels that differ are equal or infinite in 32 bits.
    """
    items = torch.arange(int(sizes.max())) < sizes.unsqueeze(1)  # [lists, list]
    labels = torch.zeros(int(sizes.sum()), len(objectives))
    mask = torch.zeros(labels.shape, dtype=torch.bool)
    labelled = {}
    for column, (name, settings) in enumerate(objectives.items()):
        given = [example.labels.get(settings.label or name, (None,) * len(example.responses)) for example in examples]
        flat = [value for values in given for value in values]
        values = torch.zeros(items.shape, dtype=torch.float64)
        is_labelled = torch.zeros_like(items)
        values[items] = torch.tensor([0.0 if value is None else value for value in flat], dtype=torch.float64)
        is_labelled[items] = torch.tensor([value is not None for value in flat], dtype=torch.bool)
        prefers = has_preference(values, is_labelled)
        counts = is_labelled.any(-1, keepdim=True) if is_by_item(settings.loss) else prefers
        is_labelled &= counts
        transformed = settings.transformed(values, is_labelled).float()
        is_kept = torch.isfinite(transformed).all(-1, keepdim=True) & (has_preference(transformed, is_labelled) == prefers)
        if not is_kept.all():
            where = examples[int((~is_kept).nonzero()[0, 0])].where
            raise DataError(
                f"{where}: the labels for {name!r} are too large, or too close to each other, for 32 bits. "
                f"Set task.objectives.{name}.transform: standardise, or scale them."
            )
        labels[:, column] = transformed[items]
        mask[:, column] = is_labelled[items]
        labelled[name] = int(counts.sum())
    return labels, mask, labelled


def _extremes(labels: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """`[..., 1]` twice, the smallest and the largest label; zeros where there is none."""
    limits, has_label = torch.finfo(labels.dtype), mask.any(-1, keepdim=True)
    low = labels.masked_fill(~mask, limits.max).amin(-1, keepdim=True)
    high = labels.masked_fill(~mask, limits.min).amax(-1, keepdim=True)
    return torch.where(has_label, low, 0.0), torch.where(has_label, high, 0.0)
