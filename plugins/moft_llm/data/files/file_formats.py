"""Reads the rows of a data file: JSON lines, JSON, both also compressed by gzip, or Parquet."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from moft import ConfigError, DataError
from moft.api import json_of
from moft_llm.data.preference_example import text_of

SUFFIXES = (".jsonl", ".json", ".parquet")
PACKED = ".gz"
"""May follow .jsonl and .json."""

METADATA = ("dataset_infos.json", "dataset_dict.json", "state.json")
"""Files that the package datasets writes beside data."""


@dataclass(frozen=True)
class Row:
    """One row of a file.

    Args:
        where: file and line, or row, for messages.
        values: by column.
    """

    where: str
    values: Mapping[str, Any]

    def __getitem__(self, column: str) -> Any:
        if column not in self.values:
            raise DataError(
                f"{self.where}: there is no column {column!r}. Columns: {', '.join(map(str, self.values)) or 'none'}."
            )
        return self.values[column]

    def text(self, column: str) -> str:
        """The text in a column.

        Raises:
            DataError: there is no such column, or it does not hold text.
        """
        return text_of(self[column], column, self.where)


def form_of(path: Path) -> str:
    """The suffix of a data file without .gz; empty for any other file."""
    suffix = Path(path.stem).suffix if path.suffix == PACKED else path.suffix
    is_known = suffix in SUFFIXES and not (path.suffix == PACKED and suffix == ".parquet")
    return suffix if is_known and path.name not in METADATA else ""


def stem_of(path: Path) -> str:
    """The name of a data file without its suffixes."""
    return path.name.removesuffix(PACKED).removesuffix(form_of(path))


def error_text(error: Exception) -> str:
    """A library's error on one line, for messages."""
    return " ".join(str(error).split())[:200] or type(error).__name__


def file_rows(path: Path) -> Iterator[Row]:
    """The rows of a file.

    Raises:
        DataError: the file cannot be read, or its suffix is unknown.
        ConfigError: a package that reads it is not installed.
    """
    readers: Mapping[str, Callable[[Path], Iterator[Row]]] = {
        ".jsonl": _line_rows,
        ".json": _json_rows,
        ".parquet": _parquet_rows,
    }
    form = form_of(path)
    if form not in readers:
        raise DataError(f"{path}: unknown suffix; data files end in {', '.join(SUFFIXES)}.")
    try:
        yield from readers[form](path)
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8 text ({error.reason}).") from error
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error}).") from error


def _opened(path: Path) -> TextIO:
    """The text of a file."""
    if path.suffix == PACKED:
        return gzip.open(path, "rt", encoding="utf-8-sig")
    return path.open(encoding="utf-8-sig")


def _line_rows(path: Path, form: str | None = None) -> Iterator[Row]:
    """One JSON object per line, which messages say is a `form`; blank lines are skipped."""
    with _opened(path) as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield _row(f"{path}:{number}", json_of(line.rstrip("\n"), f"{path}:{number}", form))


def _json_rows(path: Path) -> Iterator[Row]:
    """An array of JSON objects, or one object per line, which some files named `.json` hold."""
    with _opened(path) as file:
        if file.read(4096).lstrip()[:1] != "[":
            yield from _line_rows(path, "an object, unless the whole file is an array of objects")
            return
        file.seek(0)
        values = json_of(file.read(), str(path))
    for number, value in enumerate(values, start=1):
        yield _row(f"{path}, row {number}", value)


def _row(where: str, value: Any) -> Row:
    if not isinstance(value, Mapping):
        raise DataError(f"{where}: has type {type(value).__name__}; every row must be an object, {{...}}.")
    return Row(where, value)


def _parquet_rows(path: Path) -> Iterator[Row]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ConfigError(f"{path}: Parquet files need the package pyarrow: pip install 'moft[llm]'.") from error
    number = 0
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=1024):
                for values in batch.to_pylist():
                    number += 1
                    yield Row(f"{path}, row {number}", values)
    except pyarrow.ArrowException as error:
        raise DataError(f"{path}: is not a readable Parquet file ({error_text(error)}).") from error
