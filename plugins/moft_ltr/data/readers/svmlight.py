"""Converts svmlight files, with lines `relevance qid:N index:value ... # comment`, to arrays."""

from __future__ import annotations

import codecs
import hashlib
import io
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from moft import DataError
from moft_ltr.data.converted.dataset_folder import (
    Floats,
    Integers,
    QueryIndex,
    check_labels,
    new_folder,
    save_array,
    write_dataset,
)
from moft_ltr.data.readers.group_file import check_sizes, group_sizes

BLOCK = 32 << 20
"""Bytes of text that are read at once; memory grows with it."""

MAX_COLUMNS = 100_000
"""Rows are stored dense, so that a larger index is an error."""

LONGEST_LINE = 8 << 20
"""Bytes of a line: more than twice as many as the largest number of columns takes with all digits."""

LONGEST_FIELD = 100_000
"""Bytes of a field. A longer one is no number, and would take long to be read as one."""

FORM = "a line is `relevance qid:N index:value index:value ... # comment`"
"""Without `qid:N` where a file beside has the sizes of queries."""


@dataclass
class _QueriesSoFar:
    """The queries read so far.

    Args:
        sizes: `[lists]`, documents of each query, where a file beside has them; then lines have no qid, and qids are 1, 2, ...
        seen: qids, for the check that a query is not split.
        last: qid.
    """

    sizes: Integers | None = None
    starts: list[Integers] = field(default_factory=list)
    qids: list[Integers] = field(default_factory=list)
    lines: list[Integers] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)
    last: int | None = None
    items: int = 0


def convert(
    path: Path, target: Path, *, block: int = BLOCK, labels: Mapping[str, int] | None = None, is_head: bool = False
) -> None:
    """Converts an svmlight file into the folder `target`, block by block.

    Args:
        path: the file; indices start at 1, and absent ones are zero.
        target: the folder to create; it does not appear if the file has an error.
        block: bytes of text that are in memory at once.
        labels: columns, from 1, to record as labels.
        is_head: whether to convert only the first block, whose last query may then be cut off.

    Raises:
        DataError: the file has an error (with its line), or the result cannot be written.
    """
    found, digest = _QueriesSoFar(group_sizes(path)), hashlib.sha256()
    relevance: list[Floats] = []
    columns = 0
    with new_folder(target) as folder, tempfile.TemporaryDirectory(dir=folder) as parts:
        for line, text in _blocks(path, block):
            digest.update(text)
            features, grades = _parse(path, line, text, found)
            columns = max(columns, features.shape[1])
            with (Path(parts) / str(len(relevance))).open("wb") as file:
                for array in (features.data, features.indices, features.indptr):
                    save_array(file, array)
            relevance.append(grades)
            if is_head:
                break
        if found.items == 0:
            raise DataError(f"{path}: has no documents; {FORM}.")
        if found.sizes is not None and not is_head:
            check_sizes(str(path), found.sizes, found.items)
        check_labels(str(path), labels or {}, columns)
        lists = QueryIndex(
            np.concatenate([*found.starts, [found.items]]), np.concatenate(found.qids), np.concatenate(found.lines)
        )
        rows = _dense(Path(parts), relevance, columns)
        source, sha256 = path.name, digest.hexdigest()
        write_dataset(folder, rows, lists, columns=columns, source=source, labels=labels or {}, sha256=sha256)


def _blocks(path: Path, size: int) -> Iterator[tuple[int, bytes]]:
    """First line number and text of consecutive blocks of whole lines, each of about `size` bytes."""
    line = 1
    try:
        with path.open("rb") as file:
            while text := file.read(size):
                text += file.readline(LONGEST_LINE + 1) if not text.endswith(b"\n") else b""
                if line == 1 and (path.suffix == ".gz" or text.startswith(b"\x1f\x8b")):
                    raise DataError(f"{path}: is compressed, which is not supported; decompress it with `gunzip`.")
                yield line, text
                line += text.count(b"\n")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}.") from error


def _parse(path: Path, line: int, text: bytes, found: _QueriesSoFar) -> tuple[Any, Floats]:
    """Sparse features `[items, columns]` and relevance `[items]` of a block; its queries are added to `found`."""
    if line == 1:
        text = text.removeprefix(codecs.BOM_UTF8)
    _check_text(path, line, text)
    from sklearn.datasets import load_svmlight_file

    try:
        features, grades, qids = load_svmlight_file(io.BytesIO(text), query_id=True, zero_based=False, dtype=np.float32)
        if found.sizes is not None:
            if len(qids):
                raise DataError(f"{path}: lines have a qid, and a file beside has the sizes of queries; remove one of them.")
            at = np.arange(found.items, found.items + len(grades))
            qids = np.searchsorted(found.sizes.cumsum(), at, side="right") + 1
    except (ValueError, OverflowError) as error:
        _raise_first_fault(path, line, text, found)
        raise DataError(f"{path}:{line}: the lines from here on cannot be read ({error}); {FORM}.") from error
    with np.errstate(over="ignore"):
        relevance = np.asarray(grades).astype(np.float32)
    has_underscore = b"_" in text and re.search(rb"^[^#\n]*_", text, re.MULTILINE)  # scikit-learn reads 1_0 as 10
    is_finite = np.isfinite(features.data).all() and np.isfinite(relevance).all()
    if len(qids) != len(relevance) or not is_finite or has_underscore or features.shape[1] > MAX_COLUMNS:
        _raise_first_fault(path, line, text, found)
        raise DataError(f"{path}:{line}: the lines from here on cannot be read; {FORM}.")
    _add_lists(path, line, text, np.asarray(qids, dtype=np.int64), found)
    features.eliminate_zeros()
    return features, relevance


def _check_text(path: Path, line: int, text: bytes) -> None:
    """Checks that a block is UTF-8 text, but for its comments, of lines and fields that are not too long."""
    ends = np.flatnonzero(np.frombuffer(text, dtype=np.uint8) == ord("\n"))
    bounds = np.concatenate([[-1], ends, [len(text)]])
    for index in np.flatnonzero(np.diff(bounds) > LONGEST_FIELD):
        content = text[bounds[index] + 1 : bounds[index + 1]]
        if len(content) > LONGEST_LINE:
            raise DataError(f"{path}:{line + index}: has more than {LONGEST_LINE >> 20} MB; {FORM}.")
        longest = max(content.split(b"#", 1)[0].split(), key=len, default=b"")
        if len(longest) > LONGEST_FIELD:
            raise DataError(f"{path}:{line + index}: {_quoted(longest)} has {len(longest):,} characters; {FORM}.")
    if b"\r" in text and (lone := re.search(rb"^[^#\n]*?\r(?!\n|\Z)", text, re.MULTILINE)):
        line += text.count(b"\n", 0, lone.start())
        raise DataError(
            f"{path}:{line}: has a carriage return within a line; lines must end with a line feed. Convert the file: "
            "`tr '\\r' '\\n' < FILE > NEW`."
        )
    position, bare = text.find(b"\0"), text
    if position < 0 and not text.isascii():
        bare = re.sub(rb"#[^\n]*", b"", text)  # a comment may be in any encoding
        try:
            bare.decode("utf-8")
        except UnicodeDecodeError as error:
            position = error.start
    if position >= 0:
        line += bare.count(b"\n", 0, position)
        raise DataError(f"{path}:{line}: is not UTF-8 text; {FORM}.")


def _add_lists(path: Path, line: int, text: bytes, qids: Integers, found: _QueriesSoFar) -> None:
    """Adds the queries that begin in a block to `found`."""
    if not len(qids):
        return
    is_first = found.last is None or bool(qids[0] != found.last)
    starts = np.flatnonzero(np.concatenate([[is_first], qids[1:] != qids[:-1]]))
    names = qids[starts].tolist()
    if len(set(names)) < len(names) or not found.seen.isdisjoint(names):
        _raise_first_fault(path, line, text, found)
    found.starts.append(starts + found.items)
    found.qids.append(qids[starts])
    found.lines.append(_item_lines(text, len(qids))[starts] + line)
    found.seen.update(names)
    found.last = int(qids[-1])
    found.items += len(qids)


def _item_lines(text: bytes, items: int) -> Integers:
    """`[items]`, the line of each document within the block, from 0."""
    if text.count(b"\n") + (not text.endswith(b"\n")) == items:
        return np.arange(items)
    return np.array([number for number, content in enumerate(text.split(b"\n")) if content.split(b"#", 1)[0].split()])


def _dense(parts: Path, relevance: list[Floats], columns: int) -> Iterator[tuple[Floats, Floats]]:
    """The sparse parts on disk as dense rows, block by block."""
    from scipy import sparse

    step = max(1, (BLOCK // 4) // columns)
    for number, grades in enumerate(relevance):
        part = parts / str(number)
        with part.open("rb") as file:
            arrays = tuple(np.load(file, allow_pickle=False) for _ in range(3))
        part.unlink()
        rows = sparse.csr_matrix(arrays, shape=(len(grades), columns))
        for start in range(0, len(grades), step):
            yield rows[start : start + step].toarray(), grades[start : start + step]


def _raise_first_fault(path: Path, line: int, text: bytes, found: _QueriesSoFar) -> None:
    """Checks a block line by line and raises the first error, if there is one."""
    seen, last = set(found.seen), found.last
    for number, content in enumerate(text.split(b"\n"), start=line):
        fields = content.split(b"#", 1)[0].split()
        if not fields:
            continue
        fault = _fault(fields if found.sizes is None else [fields[0], b"qid:0", *fields[1:]])
        if fault is None and found.sizes is None and (qid := int(fields[1][4:])) != last:
            if qid in seen:
                fault = f"qid {qid} appears again after qid {last}; all documents of a query must be on consecutive lines"
            seen.add(qid)
            last = qid
        if fault:
            raise DataError(f"{path}:{number}: {fault}.")


def _fault(fields: list[bytes]) -> str | None:
    """What is wrong with the fields of one line, and what is allowed; None if nothing is wrong."""
    if fault := _number_fault(fields[0], "relevance"):
        return fault
    if len(fields) < 2 or not fields[1].startswith(b"qid:"):
        found = f"{_quoted(fields[1])} is not a qid" if len(fields) > 1 else "the qid is missing"
        return f"{found}; {FORM}"
    if not re.fullmatch(rb"[+-]?[0-9]{1,100}", fields[1][4:]) or abs(int(fields[1][4:])) >= 2**63:
        return f"{_quoted(fields[1])} is not a qid; a qid is a 64-bit integer, such as qid:17"
    before = 0
    for pair in fields[2:]:
        index, _, value = pair.partition(b":")
        if not re.fullmatch(rb"[+-]?[0-9]{1,100}", index) or not value:
            return f"{_quoted(pair)} is not a pair index:value; {FORM}"
        if not before < int(index) <= MAX_COLUMNS:
            return f"index {int(index)} after index {before}; indices must ascend within a line, from 1 to at most {MAX_COLUMNS}"
        before = int(index)
        if fault := _number_fault(value, f"value of column {before}"):
            return fault
    return None


def _number_fault(text: bytes, what: str) -> str | None:
    """Why `text` is not a finite 32-bit number; None if it is."""
    try:
        value = float("x" if b"_" in text else text)
    except ValueError:
        return f"{_quoted(text)} is not a number; the {what} must be one"
    with np.errstate(over="ignore"):
        if not np.isfinite(np.float32(value)):
            return f"{_quoted(text)} is not a finite 32-bit number; the {what} must be one"
    return None


def _quoted(field: bytes) -> str:
    """A field in quotes for a message, truncated after 40 characters."""
    text = field[:200].decode("utf-8", "backslashreplace")
    return repr(text if len(text) <= 40 else text[:40] + "...")
