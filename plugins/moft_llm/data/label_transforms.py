"""What the labels of an objective become before they are learned from, list by list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from moft import DataError
from moft.api import Loss, Positive
from moft_llm.data.example import Example

Transform = Literal["none", "standardise", "min-max"]

WORDS = {
    "none": "as is",
    "standardise": "mean 0 and deviation 1 within the list",
    "min-max": "scaled to 0..1 within the list",
}


@dataclass(frozen=True)
class TextLabel:
    """An objective, read from one label of the data. Larger is better.

    Args:
        label: its name in the data; null where it is called as the objective is.
        transform: `standardise` gives each list mean zero and deviation one, `min-max` scales it to 0..1, `none`. A loss that
            divides labels by their sum needs labels >= 0, so not `standardise`.
        sharpness: what labels are multiplied by afterwards. A larger value puts more of a softmax target on the best responses.
        beta: beta, > 0; larger stays closer to the base model.
        loss: its own, or null for the method's.
    """

    label: str | None = None
    transform: Transform = "none"
    sharpness: Positive = 1.0
    beta: Positive = 0.1
    loss: Loss | None = None

    def transformed(self, labels: Tensor, mask: Tensor) -> Tensor:
        """Labels to learn from, `[..., list]`; zero where `mask` is False, and where a transform meets a list of equal labels.

        Args:
            labels: `[..., list]`, finite.
            mask: `[..., list]` bool, True where a response is judged.
        """
        values = labels.masked_fill(~mask, 0.0)
        count = mask.sum(-1, keepdim=True).clamp(min=1)
        if self.transform == "standardise":
            centred = (values - values.sum(-1, keepdim=True) / count).masked_fill(~mask, 0.0)
            deviation = (centred.square().sum(-1, keepdim=True) / count).sqrt()  # [..., 1]
            values = centred / torch.where(differs(labels, mask), deviation, torch.inf)
        elif self.transform == "min-max":
            low, high = _extremes(labels, mask)
            values = (values - low).masked_fill(~mask, 0.0) / torch.where(high > low, high - low, torch.inf)
        return values * self.sharpness

    def words(self, name: str) -> str:
        """What a label of the objective `name` is, for reports."""
        factor = "" if self.sharpness == 1 else f", times {self.sharpness:g}"
        return f"label {self.label or name!r}, {WORDS[self.transform]}{factor}"


def differs(labels: Tensor, mask: Tensor) -> Tensor:
    """`[..., 1]`, True for lists in which some judged label is above another. Both `[..., list]`."""
    low, high = _extremes(labels, mask)
    return high > low


def check_labels(examples: Iterable[Example], objectives: Mapping[str, TextLabel]) -> None:
    """Nothing, when every objective can be learned from these lists.

    Raises:
        DataError: the label of an objective stands nowhere, or never says that one response is better than another.
    """
    known: set[str] = set()
    saying: set[str] = set()
    for example in examples:
        for name, values in example.labels.items():
            known.add(name)
            if name not in saying and len({value for value in values if value is not None}) > 1:
                saying.add(name)
    for name, settings in objectives.items():
        label = settings.label or name
        if label not in known:
            raise DataError(
                f"[task.objectives.{name}] no training list has the label {label!r}; "
                f"labels there: {', '.join(sorted(known)) or 'none'}."
            )
        if label not in saying:
            raise DataError(
                f"[task.objectives.{name}] the label {label!r} is the same within every training list, so it prefers nothing."
            )


def label_columns(
    examples: Sequence[Example], sizes: Tensor, objectives: Mapping[str, TextLabel]
) -> tuple[Tensor, Tensor, dict[str, int]]:
    """`[items, m]` transformed labels and their mask, and by objective how many lists say something.

    A list whose judged responses all have the same label prefers nothing: it counts as not judged.

    Args:
        examples: the lists, at least one.
        sizes: `[lists]` int64, how many responses each has.
        objectives: in order.
    """
    items = torch.arange(int(sizes.max())) < sizes.unsqueeze(1)  # [lists, list]
    labels = torch.zeros(int(sizes.sum()), len(objectives))
    mask = torch.zeros(labels.shape, dtype=torch.bool)
    labelled = {}
    for column, (name, settings) in enumerate(objectives.items()):
        given = [example.labels.get(settings.label or name, (None,) * len(example.responses)) for example in examples]
        flat = [value for values in given for value in values]
        values = torch.zeros(items.shape, dtype=torch.float64)
        judged = torch.zeros_like(items)
        values[items] = torch.tensor([0.0 if value is None else value for value in flat], dtype=torch.float64)
        judged[items] = torch.tensor([value is not None for value in flat], dtype=torch.bool)
        says = differs(values, judged)
        judged &= says
        labels[:, column] = settings.transformed(values, judged)[items].float()
        mask[:, column] = judged[items]
        labelled[name] = int(says.sum())
    return labels, mask, labelled


def _extremes(labels: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """`[..., 1]` twice, the least and the greatest label that is judged; zeros where there is none."""
    limits, is_judged = torch.finfo(labels.dtype), mask.any(-1, keepdim=True)
    low = labels.masked_fill(~mask, limits.max).amin(-1, keepdim=True)
    high = labels.masked_fill(~mask, limits.min).amax(-1, keepdim=True)
    return torch.where(is_judged, low, 0.0), torch.where(is_judged, high, 0.0)
