"""Opens tables with pyarrow: Parquet, Arrow, CSV and TSV files, folders of them, and frames in memory, as blocks of rows."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from moft import ConfigError, DataError
from moft.api import printable
from moft_ltr.data.converted.dataset_folder import Integers
from moft_ltr.data.readers.group_file import group_sizes
from moft_ltr.data.readers.table_columns import ITEM, QUERY, TableColumns

DELIMITERS = {".csv": ",", ".tsv": "\t"}
SUFFIXES = (*DELIMITERS, ".parquet", ".arrow", ".feather", ".ipc")
"""Of files that are tables."""

BLOCK_VALUES = 1 << 21
"""Values that are read at once."""

READ_BUFFER = 1 << 18
"""Bytes of each column of a Parquet file that are read at once; otherwise all of a row group are in memory."""

_BAD_CELL = re.compile(r"In CSV column #(\d+): (?:Row #(\d+): )?CSV conversion error to \w+: invalid value '(.*)'", re.DOTALL)
_BAD_ROW = re.compile(r"CSV parse error: (?:Row #(\d+): )?(Expected \d+ columns, got \d+)")


@dataclass
class Table:
    """A table that is read once, from its first row to its last.

    Args:
        source: the file, folder or frame, for messages.
        schema: of pyarrow; every block has its names.
        blocks: record batches.
        files: name and rows read so far of each file of a folder; grows while it is read.
        sizes: rows of each query, where a file beside the table has them.
        has_names: whether the columns have names, and not only numbers.
        is_relevance_first: whether the first column is the relevance, as LightGBM takes it.
        excluded: names of columns that are there, but not in `schema`.
    """

    source: str
    schema: Any
    blocks: Iterator[Any]
    files: list[tuple[str, int]] = field(default_factory=list)
    sizes: Integers | None = None
    has_names: bool = True
    is_relevance_first: bool = False
    excluded: tuple[str, ...] = ()

    @property
    def every_name(self) -> list[str]:
        """The names of all columns."""
        return [*self.schema.names, *self.excluded]


def import_pyarrow() -> Any:
    """The package pyarrow.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import pyarrow
    except ImportError as error:
        raise ConfigError("tables need the package pyarrow: pip install 'moft[tables]'.") from error
    return pyarrow


def is_table(path: Path) -> bool:
    """Whether a path is a file of a table, or a folder of such files."""
    return bool(_parts(path)) if path.is_dir() else path.suffix.lower() in SUFFIXES


def table_files(path: Path) -> list[Path]:
    """The files of a table: the path itself, or the tables in a folder, by name."""
    return _parts(path) if path.is_dir() else [path]


def open_table(path: Path, columns: TableColumns) -> Table:
    """Opens a file, or a folder of files that are read one after the other, in the order of their names.

    Raises:
        DataError: one cannot be read, or they differ in their columns.
    """
    if not path.is_dir():
        return _open_file(path, columns)
    files = _parts(path)
    first = _open_file(files[0], columns)

    def blocks() -> Iterator[Any]:
        for file in files:
            part = first if file is files[0] else _open_file(file, columns)
            if set(part.schema.names) != set(first.schema.names):
                other = sorted(set(part.schema.names) ^ set(first.schema.names))[0]
                raise DataError(f"{file}: column {other!r} is in only one of this file and {files[0].name}; all need the same.")
            table.files.append((file.name, 0))
            for block in part.blocks:
                table.files[-1] = (file.name, table.files[-1][1] + len(block))
                yield block.select(first.schema.names)

    if any(group_sizes(file) is not None for file in files):
        raise DataError(f"{path}: a folder of tables cannot have files of query sizes; add a column of query ids.")
    table = Table(str(path), first.schema, blocks(), excluded=first.excluded)
    return table


def open_frame(frame: object) -> Table:
    """Opens a frame of pandas, polars or pyarrow, a mapping of arrays by name, or an iterable of such blocks of rows.

    Raises:
        DataError: it is none of them, or two columns have one name.
    """
    pyarrow, source = import_pyarrow(), "the frame"
    if isinstance(frame, pyarrow.RecordBatchReader):
        return Table(source, frame.schema, _failing_as(source, frame))
    if isinstance(frame, Mapping) or hasattr(frame, "__arrow_c_stream__") or hasattr(frame, "__arrow_c_array__"):
        frame = [frame]
    if not isinstance(frame, Iterable) or isinstance(frame, str | bytes) or hasattr(frame, "__array__"):
        _refuse_frame(frame)
    tables = (_table_of(part) for part in frame)
    first = next(tables, None)
    if first is None:
        raise DataError(f"{source} has no rows.")

    def blocks() -> Iterator[Any]:
        yield from first.to_batches(max_chunksize=_block_rows(first.schema))
        for number, table in enumerate(tables, start=2):
            if table.schema.names != first.schema.names:
                raise DataError(f"{source}: block {number} of rows has other columns than the first one.")
            yield from table.to_batches(max_chunksize=_block_rows(table.schema))

    return Table(source, first.schema, blocks())


def _table_of(frame: object) -> Any:
    """The frame as a table of pyarrow, without the unnamed index of pandas."""
    pyarrow = import_pyarrow()
    if not (isinstance(frame, Mapping) or hasattr(frame, "__arrow_c_stream__") or hasattr(frame, "__arrow_c_array__")):
        _refuse_frame(frame)
    try:
        table = pyarrow.table(dict(frame) if isinstance(frame, Mapping) else frame)
    except (pyarrow.ArrowException, ValueError, TypeError) as error:
        raise DataError(f"the frame cannot be read: {printable(' '.join(str(error).split()))}") from error
    index = [name for name in table.schema.names if re.fullmatch("__index_level_[0-9]+__", name)]
    return table.drop_columns(index) if index else table


def _refuse_frame(frame: object) -> NoReturn:
    raise DataError(
        f"{type(frame).__name__} is no table with named columns; give a frame of pandas, polars or pyarrow, or make one of "
        "arrays with moft_ltr.table."
    )


def _parts(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())


def _open_file(path: Path, columns: TableColumns) -> Table:
    pyarrow, suffix, excluded = import_pyarrow(), path.suffix.lower(), list[str]()
    with _reading(str(path)):
        if suffix in DELIMITERS:
            return _open_csv(path, columns)
        if suffix == ".parquet":
            from pyarrow import parquet

            file = parquet.ParquetFile(path, pre_buffer=False, buffer_size=READ_BUFFER)
            schema = file.schema_arrow
            wanted = [name for name in schema.names if name not in columns.exclude]
            repeated = _repeated(wanted)
            if repeated:
                raise DataError(f"{path}: column {repeated!r} is there twice; give each column its own name.")
            blocks = file.iter_batches(_block_rows(schema), columns=wanted)
            excluded = [name for name in schema.names if name in columns.exclude]
            schema = pyarrow.schema([schema.field(name) for name in wanted])
        else:
            mapped = pyarrow.memory_map(str(path))
            try:
                opened = pyarrow.ipc.open_file(mapped)
                batches: Iterable[Any] = (opened.get_batch(index) for index in range(opened.num_record_batches))
            except pyarrow.ArrowInvalid:
                mapped.seek(0)
                batches = opened = pyarrow.ipc.open_stream(mapped)
            schema, size = opened.schema, _block_rows(opened.schema)
            blocks = (batch.slice(at, size) for batch in batches for at in range(0, len(batch), size))
    return Table(str(path), schema, _failing_as(str(path), blocks), sizes=group_sizes(path), excluded=tuple(excluded))


def _open_csv(path: Path, columns: TableColumns) -> Table:
    from pyarrow import csv as reader

    pyarrow, delimiter = import_pyarrow(), DELIMITERS[path.suffix.lower()]
    sizes = group_sizes(path)
    header, has_names = _first_row(path, delimiter)
    texts = {*columns.categorical, columns.query, columns.item, columns.split} - {None}

    def opened(types: Mapping[str, Any] | None, *, in_one_thread: bool = False) -> Any:
        return reader.open_csv(
            path,
            read_options=reader.ReadOptions(column_names=header, skip_rows=int(has_names), use_threads=not in_one_thread),
            parse_options=reader.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=reader.ConvertOptions(column_types=types, timestamp_parsers=["never"]),
        )

    ids = {columns.query} if columns.query else set(QUERY)
    texts |= ids | ({columns.item} if columns.item else set(ITEM))
    types = {}
    for found in opened(None, in_one_thread=True).schema:
        if found.name in texts:
            if found.name in columns.categorical and pyarrow.types.is_floating(found.type):
                types[found.name] = pyarrow.float64()  # so that the message is about numbers
            else:
                types[found.name] = pyarrow.string()
        elif pyarrow.types.is_integer(found.type) or pyarrow.types.is_floating(found.type) or pyarrow.types.is_null(found.type):
            types[found.name] = pyarrow.float64()
        elif not pyarrow.types.is_boolean(found.type):
            types[found.name] = pyarrow.string()
    stream = opened(types)

    def again() -> Iterator[Any]:
        return iter(opened(types, in_one_thread=True))

    blocks = _failing_as(str(path), stream, again, header if has_names else None)
    is_lightgbm = sizes is not None and columns.query is None
    return Table(str(path), stream.schema, blocks, sizes=sizes, has_names=has_names, is_relevance_first=is_lightgbm)


def _first_row(path: Path, delimiter: str) -> tuple[list[str], bool]:
    """The names of the columns, and whether the file has them; a file whose first row is numbers has none."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            row = next(csv.reader(file, delimiter=delimiter), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}:1: is not UTF-8 text in columns ({error}).") from error
    if not row:
        raise DataError(f"{path}:1: is empty; the first line must have the names of the columns.")
    names = [name.strip() for name in row]
    if all(_is_number(name) for name in names):
        return [str(number) for number in range(len(row))], False
    repeated = _repeated(names)
    if repeated is not None:
        raise DataError(f"{path}:1: column {repeated!r} is there twice; give each column its own name.")
    return names, True


def _is_number(text: str) -> bool:
    try:
        float(text or "nan")
    except ValueError:
        return False
    return True


def _repeated(names: Sequence[str]) -> str | None:
    """The first name that is there twice."""
    return next((name for place, name in enumerate(names) if name in names[:place]), None)


def _block_rows(schema: Any) -> int:
    return max(1024, BLOCK_VALUES // max(1, len(schema.names)))


def _failing_as(
    source: str, blocks: Iterable[Any], again: Callable[[], Iterator[Any]] | None = None, names: Sequence[str] | None = None
) -> Iterator[Any]:
    """The blocks; an error of pyarrow is one line with its place, for which a CSV file is read `again`, in one thread."""
    pyarrow = import_pyarrow()
    try:
        yield from blocks
    except (pyarrow.ArrowException, OSError) as error:
        if again is None:
            _raise_as(source, error, names)
        try:
            for _ in again():
                pass
        except (pyarrow.ArrowException, OSError) as precise:
            _raise_as(source, precise, names)
        _raise_as(source, error, names)


@contextmanager
def _reading(source: str) -> Iterator[None]:
    pyarrow = import_pyarrow()
    try:
        yield
    except (pyarrow.ArrowException, OSError) as error:
        _raise_as(source, error, None)


def _raise_as(source: str, error: Exception, names: Sequence[str] | None) -> NoReturn:
    text = str(error)
    if cell := _BAD_CELL.search(text):
        line = f":{cell[2]}" if cell[2] else ""
        column = repr(names[int(cell[1])]) if names else str(int(cell[1]) + 1)
        value = printable(cell[3] if len(cell[3]) <= 40 else cell[3][:40] + "...")
        raise DataError(
            f"{source}{line}: column {column} holds {value!r}, but numbers before; write a number or nothing, or name the column "
            "as categorical or exclude."
        ) from error
    if row := _BAD_ROW.search(text):
        raise DataError(f"{source}{f':{row[1]}' if row[1] else ''}: {row[2].lower()}.") from error
    raise DataError(f"{source}: cannot be read: {printable(' '.join(text.split()))[:300]}") from error
