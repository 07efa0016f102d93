"""What a column of labels becomes before it is learned from: an objective's labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from moft.api import Loss, Positive

Transform = Literal["none", "log1p", "min-max", "invert"]
Gain = Literal["linear", "exp2"]

WORDS = {
    "none": "as is",
    "log1p": "log(1 + label)",
    "min-max": "scaled to 0..1 within the list",
    "invert": "list maximum - label",
}


@dataclass(frozen=True)
class LabelColumn:
    """An objective, read from one column of labels.

    Args:
        column: number in the file, from 1, or the name that the data gives it.
        transform: one or several, applied in order: `log1p` for counts, `min-max` scales each list to 0..1,
            `invert` makes small labels good ones (list maximum minus label), `none`.
        beta: beta, > 0; larger stays closer to the base ranker.
        gain: how a transformed label counts in NDCG.
        loss: its own, or null for the method's.
    """

    column: int | str
    transform: Transform | list[Transform] = "none"
    beta: Positive = 1.0
    gain: Gain = "linear"
    loss: Loss | None = None


@dataclass(frozen=True)
class MainLabel:
    """The main objective: what the base ranker was trained for. Measured, never tuned for.

    Args:
        column: number in the file, from 1, or a name; null takes the first field of each line, the relevance.
        transform: as for an objective.
        gain: how a label counts in NDCG; `exp2` is usual for grades 0 to 4.
    """

    column: int | str | None = None
    transform: Transform | list[Transform] = "none"
    gain: Gain = "exp2"


def steps_of(transform: Transform | list[Transform]) -> list[Transform]:
    """The transforms as a list, without those that do nothing."""
    given: Sequence[Transform] = [transform] if isinstance(transform, str) else transform
    return [step for step in given if step != "none"]


def in_words(transform: Transform | list[Transform]) -> str:
    """What a transform does, for reports."""
    return ", then ".join(WORDS[step] for step in steps_of(transform)) or WORDS["none"]


def transformed(
    labels: NDArray[np.float32], offsets: NDArray[np.int64], transform: Transform | list[Transform]
) -> NDArray[np.float32]:
    """`[items]`, the labels after every step.

    Args:
        labels: `[items]`.
        offsets: `[lists + 1]`, where lists begin.
        transform: applied in order.
    """
    values = labels.astype(np.float64)
    starts, lengths = offsets[:-1], np.diff(offsets)
    for step in steps_of(transform):
        if step == "log1p":
            values = np.log1p(np.maximum(values, 0.0))
            continue
        high = np.repeat(np.maximum.reduceat(values, starts), lengths)
        if step == "invert":
            values = high - values
        else:
            low = np.repeat(np.minimum.reduceat(values, starts), lengths)
            values = np.divide(values - low, high - low, out=np.zeros_like(values), where=high > low)
    return values.astype(np.float32)
