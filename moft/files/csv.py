"""Tables as CSV that a spreadsheet shows as it is, and runs nothing of."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

_FORMULA = tuple("=+-@\t\r\n＝＋－＠")  # noqa: RUF001 - a spreadsheet takes the wide ones, too


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Rows of numbers and texts as CSV.

    A text that a spreadsheet would run as a formula, since it begins with `=`, `+`, `-`, `@`, a tab or a line break, gets a `'`
    before it. Numbers stay as they are.

    Source: OWASP, CSV injection.
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([_shown(cell) for cell in row] for row in rows)
    return text.getvalue()


def _shown(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
