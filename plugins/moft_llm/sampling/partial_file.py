"""What a sampling has so far, in a file beside the one that it is for, so that it goes on after an interrupt."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any

from moft import DataError
from moft_llm.data.example import shown

SUFFIX = ".partial"
_HASHED = {"model": "from another model", "prompts": "for other prompts"}  # settings that say nothing to a reader


class Partial(AbstractContextManager["Partial"]):
    """Responses by prompt, written as they come: a line of what they were made with, then a line for each prompt, in order.

    The file is held by one process, and stays only if there are responses in it. A last line that was cut off is dropped.

    Args:
        path: the file; made where it is not there.
        settings: what the responses depend on, by the words of the command line.

    Raises:
        DataError: the file was made with other settings, is damaged, or another process writes it; it is left as it was.
    """

    is_begun: bool
    openings: list[str] | None
    lists: list[list[str]]

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        self.path, self._settings = path, dict(settings)
        self.is_begun, self.openings, self.lists = False, None, []
        is_new = not path.exists()
        self._file: IO[bytes] = path.open("a+b")
        try:
            self._hold()
            self._read()
        except BaseException:
            self._file.close()
            if is_new:
                path.unlink(missing_ok=True)
            raise

    def begin(self, openings: Sequence[str] | None) -> None:
        """Writes what responses will be made with, and the prompts where the model wrote them; once, before any response."""
        self.openings = None if openings is None else list(openings)
        self._write({"settings": self._settings, "openings": self.openings})

    def add(self, lists: Sequence[Sequence[str]]) -> None:
        """Writes the responses to the next prompts, through to the disk."""
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

    def _hold(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise DataError(f"{self.path}: another process is sampling into it; wait for it to end.") from error

    def _read(self) -> None:
        """What is there, cut back to whole lines."""
        self._file.seek(0)
        whole, end, _ = self._file.read().rpartition(b"\n")
        rows = [self._row(number, line) for number, line in enumerate(whole.split(b"\n"), start=1)] if end else []
        if rows:
            self.is_begun, self.openings, self.lists = True, rows[0]["openings"], rows[1:]
        self._file.truncate(len(whole) + len(end))

    def _row(self, number: int, line: bytes) -> Any:
        """A line of the file: what responses were made with, then responses."""
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if number == 1 and isinstance(row, dict) and isinstance(row.get("settings"), dict) and "openings" in row:
            self._check(row["settings"])
            return row
        if number > 1 and isinstance(row, list) and all(isinstance(text, str) for text in row):
            return row
        what = shown(line.decode(errors="replace"))
        raise DataError(f"{self.path}:{number}: is damaged ({what}); remove the file to begin anew.")

    def _check(self, kept: Mapping[str, Any]) -> None:
        for name in [*self._settings, *(name for name in kept if name not in self._settings)]:
            was, given = kept.get(name), self._settings.get(name)
            if was != given:
                made = _HASHED.get(name, f"with {name} {was}, not {given}")
                raise DataError(f"{self.path}: has responses sampled {made}; ask for the same, or remove it to begin anew.")

    def _write(self, *rows: Any) -> None:
        self._file.write("".join(json.dumps(row) + "\n" for row in rows).encode())
        self._file.flush()
        os.fsync(self._file.fileno())
