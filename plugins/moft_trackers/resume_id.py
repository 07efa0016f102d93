"""Keeps the ID that a tracker's service gave a run in the run folder, so that a resumed run continues there."""

from __future__ import annotations

from pathlib import Path

from moft.api import Run, atomic_write


def read_resume_id(run: Run, tracker: str) -> str:
    """The ID of the run; empty for a new run."""
    file = _file(run, tracker)
    return file.read_text(encoding="utf-8") if file is not None and file.is_file() else ""


def write_resume_id(run: Run, tracker: str, resume_id: str) -> None:
    """Keeps the ID of the run until it is resumed."""
    file = _file(run, tracker)
    if file is not None:
        file.parent.mkdir(exist_ok=True)
        atomic_write(file, resume_id.encode())


def _file(run: Run, tracker: str) -> Path | None:
    return None if run.folder is None else Path(run.folder) / "trackers" / tracker
