"""Tables on stdout: with lines on a terminal, as plain columns elsewhere."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence

import typer

from moft.suggestions import printable

GAP = 3  # between the columns of a table on a terminal


def print_line(text: str, *, err: bool = False) -> None:
    """Prints a text in one line."""
    typer.echo(printable(text), err=err)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints rows under their column names; if stdout is not a terminal, every row is one line of any width."""
    columns, rows = list(map(printable, columns)), [list(map(printable, row)) for row in rows]
    if not sys.stdout.isatty():
        for line in aligned([columns, *rows]):
            print(line)
        return
    from rich import box
    from rich.console import Console
    from rich.table import Column, Table

    table = Table(*(Column(name, overflow="fold") for name in columns), box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    Console(markup=False, highlight=False, emoji=False).print(table)


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """The rows with their columns padded to one width, two spaces apart."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def split_to_terminal(rows: list[list[str]]) -> list[list[list[str]]]:
    """The table split by columns into parts that fit the terminal, each with the first column; whole if there is no terminal."""
    widths = [max(map(len, column)) + GAP for column in zip(*rows, strict=True)]
    room = shutil.get_terminal_size().columns
    if not sys.stdout.isatty() or sum(widths) <= room:
        return [rows]
    parts: list[list[int]] = [[0]]
    for column, width in enumerate(widths[1:], start=1):
        if len(parts[-1]) > 1 and sum(widths[at] for at in parts[-1]) + width > room:
            parts.append([0])
        parts[-1].append(column)
    return [[[row[at] for at in part] for row in rows] for part in parts]
