"""The sizes of queries in a file beside the data, as LightGBM reads them: `train.txt.query` or `train.txt.group`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from moft import DataError
from moft_ltr.data.converted.dataset_folder import Integers

SUFFIXES = (".query", ".group")


def group_file(path: Path) -> Path | None:
    """The file of query sizes beside a data file; None if there is none.

    Raises:
        DataError: there are two.
    """
    found = [beside for suffix in SUFFIXES if (beside := path.with_name(path.name + suffix)).is_file()]
    if len(found) > 1:
        raise DataError(f"{path}: {found[0].name} and {found[1].name} both have the sizes of its queries; keep one.")
    return found[0] if found else None


def group_sizes(path: Path) -> Integers | None:
    """`[lists]`, the rows of each query of a data file, from the file beside it; None if there is none.

    Raises:
        DataError: a line is not a whole number above 0.
    """
    file = group_file(path)
    if file is None:
        return None
    try:
        lines = file.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: cannot be read ({error}).") from error
    sizes = []
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text:
            continue
        if not text.isdecimal() or len(text) > 12 or int(text) == 0:
            raise DataError(f"{file}:{number}: {text[:40]!r} is not the size of a query; each line has one number above 0.")
        sizes.append(int(text))
    if not sizes:
        raise DataError(f"{file}: has no sizes of queries.")
    return np.array(sizes, dtype=np.int64)


def check_sizes(path: str, sizes: Integers, rows: int) -> None:
    """Checks that the sizes add up to the rows of the data.

    Raises:
        DataError: they do not.
    """
    if sizes.sum() != rows:
        raise DataError(
            f"{path}: has {rows:,} rows, but the sizes of its queries in the file beside it add up to {sizes.sum():,}."
        )
