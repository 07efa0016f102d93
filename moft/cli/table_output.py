"""Tables on stdout: with lines on a terminal, as plain columns elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints rows under their column names; if stdout is not a terminal, every row is one line of any width."""
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
