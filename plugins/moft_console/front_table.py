"""Prints a front as a table."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING

from moft.api import printable

if TYPE_CHECKING:
    from torch import Tensor

    from moft.api import Front

MAX_ROWS = 21
MAX_FURTHER = 4
"""Further values of an evaluator that are shown beside the objectives; if there are more, the report alone has them."""


def print_front(front: Front) -> None:
    """Prints a front on stdout: a drawn table on a terminal, plain columns elsewhere."""
    columns, rows = front_table(front)
    columns = list(map(printable, columns))
    if sys.stdout.isatty():
        from rich import box
        from rich.console import Console
        from rich.table import Table

        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for column in columns:
            table.add_column(column, justify="right")
        for row in rows:
            table.add_row(*row)
        Console(markup=False, highlight=False, emoji=False).print(table)
    else:
        widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
        for row in (columns, *rows):
            print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))
    for line in captions(front):
        print(printable(line))


def front_table(front: Front) -> tuple[list[str], list[list[str]]]:
    """The columns and rows: weights, mean of each objective, of the main values if there are any, and of a few further values.

    The last row is the base model, if it was measured. Of a front with more than `MAX_ROWS` points, evenly spaced ones are
    shown, including the first and the last.
    """
    tradeoffs = front.tradeoffs.expand(len(front.tradeoffs))
    weights, betas = tradeoffs.weights.tolist(), tradeoffs.betas.tolist()
    points, main = front.points.tolist(), front.main.tolist()
    has_main = not all(map(math.isnan, main))
    further = _further(front)
    more = {name: front.measured.mean(series).tolist() for name, series in further.items()} if len(further) <= MAX_FURTHER else {}
    name, steering = ("betas", betas) if front.dials is None else ("dial", _dials(front.dials))
    varies = any(row != steering[0] for row in steering)
    columns = [
        "weights",
        *([name] if varies else []),
        *front.objectives,
        *([front.measured.main_name] if has_main else []),
        *more,
    ]
    rows = []
    for index in _shown(len(points)):
        row = [" ".join(f"{weight:.2f}" for weight in weights[index])]
        row += [" ".join(f"{value:g}" for value in steering[index])] if varies else []
        row += [_mean(value) for value in points[index]]
        row += [_mean(main[index])] if has_main else []
        row += [_mean(means[index]) for means in more.values()]
        rows.append(row)
    if front.base is not None:
        base = front.base
        means = [*base.mean(base.values)[0].tolist(), *(base.mean(base.main).tolist() if has_main else [])]
        means += [base.mean(base.more[name]).item() for name in more]
        rows.append(["base", *([""] if varies else []), *map(_mean, means)])
    return columns, rows


def captions(front: Front) -> list[str]:
    """The lines below the table: metric, split and number of lists, notes, and how many points and values are left out."""
    total = len(front.points)
    shown = [f"{MAX_ROWS} of {total} points are shown."] if total > MAX_ROWS else []
    further = len(_further(front))
    shown += [f"{further} further values are in the report."] if further > MAX_FURTHER else []
    lists = front.nouns.count_lists(front.measured.values.shape[1])
    return [f"{front.metric}, on {lists} of the {front.split} split.", *_gains(front), *front.notes, *shown]


def _gains(front: Front) -> list[str]:
    """For each objective, what it gains at most over the base model, and what the main values lose there."""
    if front.base is None:
        return []
    base = front.base.mean(front.base.values)[0]
    lost = (front.main - front.base.mean(front.base.main)).tolist()
    lines = []
    for name, column in zip(front.objectives, (front.points - base).T, strict=True):
        if column.isfinite().any():
            row = int(column.nan_to_num(nan=-math.inf).argmax())
            main = "" if math.isnan(lost[row]) else f"; {front.measured.main_name} there: {lost[row]:+z.4f}"
            lines.append(f"{name}: at most {float(column[row]):+z.4f} over the base model{main}.")
    return lines


def _dials(dials: Tensor) -> list[list[float]]:
    """The dial of each point: one number if it is the same for all objectives."""
    return [row[:1] if len(set(row)) == 1 else row for row in dials.tolist()]


def _further(front: Front) -> dict[str, Tensor]:
    """The further values of an evaluator, without those that repeat the main ones with another sign."""
    main = front.measured.main
    return {name: series for name, series in front.measured.more.items() if not series.equal(-main)}


def _shown(count: int) -> list[int]:
    """The rows to show of `count`."""
    if count <= MAX_ROWS:
        return list(range(count))
    return [round(step * (count - 1) / (MAX_ROWS - 1)) for step in range(MAX_ROWS)]


def _mean(value: float) -> str:
    """A mean with four decimals, or a dash if it is NaN."""
    return "-" if math.isnan(value) else f"{value:z.4f}"
