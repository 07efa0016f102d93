"""What each objective gains at most over the base model, and what the main objective loses there."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from moft.engine.fronts.bootstrap import bootstrap_means, interval
from moft.types import Front, ListValues


def gain_records(front: Front, base: ListValues, counts: Tensor, level: float) -> list[dict[str, Any]]:
    """For each objective, the point where it is highest, and the differences from the base model there.

    Both differences have an interval from the same bootstrap samples of the lists. It does not allow for having taken the highest
    of several points.

    Args:
        front: over the grid.
        base: values of the base model, one tradeoff row.
        counts: `[samples, lists]`, from `resampled`.
        level: of the intervals.

    Returns: `objective`, `point` (from 1; None if no point has a value), `gain`, `ci`, `main` and `main_ci` of each; NaN where
        nothing was measured.
    """
    rows, columns = front.points.nan_to_num(nan=-torch.inf).argmax(0), torch.arange(len(front.objectives))
    values = torch.cat([front.measured.values[rows], base.values]).double()  # [m + 1, lists, m]
    main = torch.cat([front.measured.main[rows], base.main]).double().unsqueeze(-1)  # [m + 1, lists, 1]
    found = list[list[Any]]()
    for series, column in ((values, columns), (main, torch.zeros_like(columns))):
        means = [front.measured.mean(series).unsqueeze(0), bootstrap_means(series, counts, front.measured.weights)]
        gained, samples = (each[:, columns, column] - each[:, -1, column] for each in means)  # [1, m] and [samples, m]
        found += [gained[0].tolist(), interval(samples, level).tolist()]
    points = [int(row) + 1 if known else None for row, known in zip(rows, front.points.isfinite().any(0).tolist(), strict=True)]
    names = ("objective", "point", "gain", "ci", "main", "main_ci")
    return [dict(zip(names, row, strict=True)) for row in zip(front.objectives, points, *found, strict=True)]
