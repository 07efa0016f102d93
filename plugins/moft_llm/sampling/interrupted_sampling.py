"""The responses sampled so far, in a file beside the output, so that sampling can continue after an interrupt."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from moft import DataError
from moft.api import parse_json
from moft_llm.data.preference_example import short_repr

SUFFIX = ".partial"
_BEGIN = b'{"settings": '
"""How the file begins."""
_HASHED = {"model": "from another model", "prompts": "for other prompts"}  # settings whose values are hashes


class PartialFile(AbstractContextManager["PartialFile"]):
    """Responses by prompt, written as they are sampled: one line of settings, then one line for each prompt, in order.

    The file is locked by one process, and is removed in the end if it has no responses. An incomplete last line is dropped.

    Args:
        path: the file; created where it does not exist.
        settings: what the responses depend on, by the names of the command line.

    Raises:
        DataError: the file was made with other settings, is damaged, or is in use by another process; it is left as it was.
    """

    is_begun: bool
    openings: list[str] | None
    now: datetime | None
    lists: list[list[str]]

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        self.path, self._settings = path, dict(settings)
        self.is_begun, self.openings, self.now, self.lists = False, None, None, []
        if path.is_symlink():
            raise DataError(f"{path}: is a symbolic link, which is not written to; remove it.")
        is_new = not path.exists()
        self._file: IO[bytes] = path.open("a+b")
        try:
            self._lock()
            self._read()
        except BaseException:
            self._file.close()
            if is_new:
                path.unlink(missing_ok=True)
            raise

    def begin(self, openings: Sequence[str] | None, now: datetime | None = None) -> None:
        """Writes the settings, the openings where the model wrote the prompts, and the time that prompts tell; once, first."""
        self.openings, self.now = None if openings is None else list(openings), now
        told = {} if now is None else {"now": now.isoformat()}
        self._write({"settings": self._settings, "openings": self.openings, **told})

    def add(self, lists: Sequence[Sequence[str]]) -> None:
        """Writes the responses to the next prompts to disk."""
        self.lists += [list(responses) for responses in lists]
        self._write(*lists)

    def discard(self) -> None:
        """Removes the file."""
        self.lists = []
        self.path.unlink(missing_ok=True)

    def __exit__(self, *error: object) -> None:
        self._file.close()
        if not self.lists:
            self.discard()

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise DataError(f"{self.path}: another process is writing to it; wait for it to end.") from error

    def _read(self) -> None:
        """Reads the file, and cuts it back to whole lines."""
        self._file.seek(0)
        whole, end, torn = self._file.read().rpartition(b"\n")
        if not end and not torn.startswith(_BEGIN[: len(torn)]):
            self._row(1, torn)  # not a line that was cut short, so not this program's
        rows = [self._row(number, line) for number, line in enumerate(whole.split(b"\n"), start=1)] if end else []
        if rows:
            self.is_begun, self.openings, self.lists = True, rows[0]["openings"], rows[1:]
            self.now = _time(rows[0])
        self._file.truncate(len(whole) + len(end))

    def _row(self, number: int, line: bytes) -> Any:
        """A line of the file: settings, then responses."""
        try:
            row = parse_json(line)
        except ValueError:
            row = None
        openings = row.get("openings", "") if isinstance(row, dict) else ""
        is_readable = openings is None or (isinstance(openings, list) and all(isinstance(text, str) for text in openings))
        is_readable = is_readable and ("now" not in row or _time(row) is not None)
        if number == 1 and isinstance(row, dict) and isinstance(row.get("settings"), dict) and is_readable:
            self._check(row["settings"])
            return row
        if number > 1 and isinstance(row, list) and all(isinstance(text, str) for text in row):
            return row
        text = short_repr(line.decode(errors="replace"))
        raise DataError(f"{self.path}:{number}: damaged line ({text}). Remove the file to start again.")

    def _check(self, saved: Mapping[str, Any]) -> None:
        for name in [*self._settings, *(name for name in saved if name not in self._settings)]:
            before, now = saved.get(name), self._settings.get(name)
            if before != now:
                how = _HASHED.get(name, f"with {name} {before}, not {now}")
                raise DataError(
                    f"{self.path}: its responses were sampled {how}. Use the same, or remove the file to start again."
                )

    def _write(self, *rows: Any) -> None:
        self._file.write("".join(json.dumps(row) + "\n" for row in rows).encode())
        self._file.flush()
        os.fsync(self._file.fileno())


def _time(row: Mapping[str, Any]) -> datetime | None:
    """The time that prompts tell; None where there is none."""
    try:
        return datetime.fromisoformat(row["now"])
    except (KeyError, TypeError, ValueError):
        return None
