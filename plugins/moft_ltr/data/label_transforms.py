"""The settings of a label column, and the transforms that turn it into an objective's labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from moft.api import Loss, Objective, Positive

Transform = Literal["none", "log1p", "min-max", "invert"]
Gain = Literal["linear", "exp2"]

WORDS = {
    "none": "as is",
    "log1p": "log(1 + label)",
    "min-max": "scaled to 0..1 within the query",
    "invert": "query maximum - label",
}


@dataclass(frozen=True)
class LabelColumn:
    """An objective, read from one column of labels.

    Args:
        column: number of the column, from 1, or the name that the data gives it; null only for an objective without labels, whose
            loss and metric read attributes.
        transform: one or several, applied in order: `log1p` for counts, which must not be negative, `min-max` to scale each
            query to 0..1, `invert` where small labels are good (maximum of the query minus label), `none`.
        beta: DPO's beta, > 0; a larger value stays closer to the base ranker.
        gain: gain of a transformed label in NDCG.
        loss: loss of this objective; null for the method's.
        metric: how the objective is measured, such as `mrr@10` or `value@5`; of several, the first is its value on the front, and
            the others are written beside it. Null for NDCG with the evaluator's k.
    """

    column: int | str | None
    transform: Transform | list[Transform] = "none"
    beta: Positive = 1.0
    gain: Gain = "linear"
    loss: Loss | None = None
    metric: str | list[str] | None = None


@dataclass(frozen=True)
class MainLabel:
    """The main objective, which the base ranker was trained for. It is measured, but not trained on.

    Args:
        column: number of the column, from 1, or a name; null for the relevance, the first field of each line.
        transform: as for an objective.
        gain: gain of a label in NDCG; `exp2` is usual for grades 0 to 4.
        metric: as for an objective.
    """

    column: int | str | None = None
    transform: Transform | list[Transform] = "none"
    gain: Gain = "exp2"
    metric: str | list[str] | None = None


def metric_names(label: LabelColumn | MainLabel) -> tuple[str, ...]:
    """The metrics of a label; empty for the evaluator's own."""
    return (label.metric,) if isinstance(label.metric, str) else tuple(label.metric or ())


def transform_steps(transform: Transform | list[Transform]) -> list[Transform]:
    """The transforms as a list, without `none`."""
    steps: Sequence[Transform] = [transform] if isinstance(transform, str) else transform
    return [step for step in steps if step != "none"]


def describe_transform(transform: Transform | list[Transform]) -> str:
    """A transform in words, for reports."""
    return ", then ".join(WORDS[step] for step in transform_steps(transform)) or WORDS["none"]


def transform_labels(
    labels: NDArray[np.floating[Any]], offsets: NDArray[np.int64], transform: Transform | list[Transform]
) -> NDArray[np.float64]:
    """`[items]`, the labels after all transforms; NaN for a missing one, and for the logarithm of a negative one.

    Args:
        labels: `[items]`, NaN where one is missing.
        offsets: `[lists + 1]`, where queries begin.
        transform: applied in order.
    """
    values = labels.astype(np.float64)
    starts, lengths = offsets[:-1], np.diff(offsets)
    for step in transform_steps(transform):
        if step == "log1p":
            values = np.log1p(np.where(values < 0, np.nan, values))
            continue
        high = np.repeat(np.fmax.reduceat(values, starts), lengths)
        if step == "invert":
            values = high - values
        else:
            low = np.repeat(np.fmin.reduceat(values, starts), lengths)
            values = np.divide(values - low, high - low, out=np.where(np.isnan(values), np.nan, 0.0), where=high > low)
    return values


def objective_of(name: str, label: LabelColumn) -> Objective:
    """The objective that a label column is read for."""
    where = "no labels" if label.column is None else f"column {label.column}, {describe_transform(label.transform)}"
    return Objective(name, label.beta, label.gain, label.loss, where, metric_names(label))


def main_objective(main: MainLabel | None) -> Objective | None:
    """The main objective, if there is one."""
    if main is None:
        return None
    where = "relevance" if main.column is None else f"column {main.column}"
    return Objective("main", gain=main.gain, label=f"{where}, {describe_transform(main.transform)}", metrics=metric_names(main))
