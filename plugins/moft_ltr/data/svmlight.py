"""Reads ranking data of the form `relevance qid:N index:value ... # comment` and converts it to arrays."""

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
from moft_ltr.data.dataset_folder import Floats, Integers, Lists, check_labels, save_array, write_dataset, written_whole

BLOCK = 32 << 20
"""Bytes of text read at a time; memory grows with it."""

MOST_COLUMNS = 100_000
"""Rows are stored dense, so an index beyond this is taken for a mistake."""

FORM = "a line is `relevance qid:N index:value index:value ... # comment`"


@dataclass
class _Lists:
    """The lists found so far; `seen` and `last` are what the check of the order needs."""

    starts: list[Integers] = field(default_factory=list)
    qids: list[Integers] = field(default_factory=list)
    lines: list[Integers] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)
    last: int | None = None
    items: int = 0


def convert(path: Path, target: Path, *, block: int = BLOCK, labels: Mapping[str, int] | None = None) -> None:
    """Converts an svmlight file into the folder `target`, a block of lines at a time.

    Args:
        path: the file; indices start at 1 and may be sparse, absent ones are zero.
        target: the folder to make; nothing is left there when the file has a fault.
        block: bytes of text held at a time.
        labels: columns, from 1, to be noted as labels.

    Raises:
        DataError: with file and line of the first fault, or when the result cannot be written.
    """
    found, digest = _Lists(), hashlib.sha256()
    relevance: list[Floats] = []
    columns = 0
    with written_whole(target) as folder, tempfile.TemporaryDirectory(dir=folder) as parts:
        for line, text in _blocks(path, block):
            digest.update(text)
            features, grades = _parsed(path, line, text, found)
            columns = max(columns, features.shape[1])
            with (Path(parts) / str(len(relevance))).open("wb") as file:
                for array in (features.data, features.indices, features.indptr):
                    save_array(file, array)
            relevance.append(grades)
        if found.items == 0:
            raise DataError(f"{path}: holds no items; {FORM}.")
        check_labels(str(path), labels or {}, columns)
        lists = Lists(np.concatenate([*found.starts, [found.items]]), np.concatenate(found.qids), np.concatenate(found.lines))
        rows = _dense(Path(parts), relevance, columns)
        source, sha256 = path.name, digest.hexdigest()
        write_dataset(folder, rows, lists, columns=columns, source=source, labels=labels or {}, sha256=sha256)


def _blocks(path: Path, size: int) -> Iterator[tuple[int, bytes]]:
    """Line number and text of consecutive blocks of whole lines, each of about `size` bytes."""
    line = 1
    try:
        with path.open("rb") as file:
            while text := file.read(size):
                text += file.readline() if not text.endswith(b"\n") else b""
                if line == 1 and (path.suffix == ".gz" or text.startswith(b"\x1f\x8b")):
                    raise DataError(f"{path}: is compressed, which is not supported; unpack it first with `gunzip`.")
                yield line, text
                line += text.count(b"\n")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}.") from error


def _parsed(path: Path, line: int, text: bytes, found: _Lists) -> tuple[Any, Floats]:
    """Sparse features `[items, columns]` and relevance `[items]` of a block; its lists are added to `found`."""
    from sklearn.datasets import load_svmlight_file

    if line == 1:
        text = text.removeprefix(codecs.BOM_UTF8)
    _check_text(path, line, text)
    try:
        features, grades, qids = load_svmlight_file(io.BytesIO(text), query_id=True, zero_based=False, dtype=np.float32)
    except (ValueError, OverflowError) as error:
        _explain(path, line, text, found)
        raise DataError(f"{path}:{line}: the lines from here on cannot be read ({error}); {FORM}.") from error
    with np.errstate(over="ignore"):
        relevance = np.asarray(grades).astype(np.float32)
    has_underscore = b"_" in text and re.search(rb"^[^#\n]*_", text, re.MULTILINE)  # read as 10 when it is 1_0
    is_finite = np.isfinite(features.data).all() and np.isfinite(relevance).all()
    if len(qids) != len(relevance) or not is_finite or has_underscore or features.shape[1] > MOST_COLUMNS:
        _explain(path, line, text, found)
        raise DataError(f"{path}:{line}: the lines from here on cannot be read; {FORM}.")
    _add_lists(path, line, text, np.asarray(qids, dtype=np.int64), found)
    features.eliminate_zeros()
    return features, relevance


def _check_text(path: Path, line: int, text: bytes) -> None:
    """Refuses what is not UTF-8 text."""
    place = text.find(b"\0")
    if place < 0 and not text.isascii():
        try:
            text.decode("utf-8")
        except UnicodeDecodeError as error:
            place = error.start
    if place >= 0:
        line += text.count(b"\n", 0, place)
        raise DataError(f"{path}:{line}: is not UTF-8 text but binary; {FORM}.")


def _add_lists(path: Path, line: int, text: bytes, qids: Integers, found: _Lists) -> None:
    """Adds the lists that begin in a block to `found`."""
    if not len(qids):
        return
    is_first = found.last is None or bool(qids[0] != found.last)
    starts = np.flatnonzero(np.concatenate([[is_first], qids[1:] != qids[:-1]]))
    names = qids[starts].tolist()
    if len(set(names)) < len(names) or not found.seen.isdisjoint(names):
        _explain(path, line, text, found)
    found.starts.append(starts + found.items)
    found.qids.append(qids[starts])
    found.lines.append(_item_lines(text, len(qids))[starts] + line)
    found.seen.update(names)
    found.last = int(qids[-1])
    found.items += len(qids)


def _item_lines(text: bytes, items: int) -> Integers:
    """`[items]`, the line of the block, from 0, that each item stands on."""
    if text.count(b"\n") + (not text.endswith(b"\n")) == items:
        return np.arange(items)
    return np.array([number for number, content in enumerate(text.split(b"\n")) if content.split(b"#", 1)[0].split()])


def _dense(parts: Path, relevance: list[Floats], columns: int) -> Iterator[tuple[Floats, Floats]]:
    """The stored sparse parts as dense rows, some at a time."""
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


def _explain(path: Path, line: int, text: bytes, found: _Lists) -> None:
    """Goes through a block line by line and raises at the first fault, if there is one."""
    seen, last = set(found.seen), found.last
    for number, content in enumerate(text.split(b"\n"), start=line):
        fields = content.split(b"#", 1)[0].split()
        if not fields:
            continue
        fault = _fault(fields)
        if fault is None and (qid := int(fields[1][4:])) != last:
            if qid in seen:
                fault = f"qid {qid} returns after qid {last}; all items of a list must stand together"
            seen.add(qid)
            last = qid
        if fault:
            raise DataError(f"{path}:{number}: {fault}.")


def _fault(fields: list[bytes]) -> str | None:
    """What is wrong with the fields of one line and what is allowed, or None."""
    if fault := _number_fault(fields[0], "relevance"):
        return fault
    if len(fields) < 2 or not fields[1].startswith(b"qid:"):
        found = f"{_shown(fields[1])} where the qid should be" if len(fields) > 1 else "no qid"
        return f"{found}; {FORM}"
    if not re.fullmatch(rb"[+-]?[0-9]+", fields[1][4:]) or abs(int(fields[1][4:])) >= 2**63:
        return f"{_shown(fields[1])} is not a qid; a qid is an integer of at most 64 bits, as in qid:17"
    before = 0
    for pair in fields[2:]:
        index, _, value = pair.partition(b":")
        if not re.fullmatch(rb"[+-]?[0-9]+", index) or not value:
            return f"{_shown(pair)} is not a pair index:value; {FORM}"
        if not before < int(index) <= MOST_COLUMNS:
            return f"index {int(index)} after index {before}; indices ascend within a line, from 1 to at most {MOST_COLUMNS}"
        before = int(index)
        if fault := _number_fault(value, f"value of column {before}"):
            return fault
    return None


def _number_fault(text: bytes, what: str) -> str | None:
    """What keeps `text` from being a finite 32-bit number, or None."""
    try:
        value = float("x" if b"_" in text else text)
    except ValueError:
        return f"{_shown(text)} is not a number; the {what} must be one"
    with np.errstate(over="ignore"):
        if not np.isfinite(np.float32(value)):
            return f"{_shown(text)} is not finite in 32 bits; the {what} must be"
    return None


def _shown(text: bytes) -> str:
    """A field in quotes for a message, cut after 40 characters."""
    shown = text.decode("utf-8", "backslashreplace")
    return repr(shown if len(shown) <= 40 else shown[:40] + "...")
