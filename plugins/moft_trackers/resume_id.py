"""What a tracker has to know again when its run is resumed, kept in the run folder."""

from __future__ import annotations

from pathlib import Path

from moft.api import Run, atomic_write


def read_resume_id(run: Run, tracker: str) -> str:
    """What was kept when the run began; empty for a new run."""
    file = _file(run, tracker)
    return file.read_text(encoding="utf-8") if file is not None and file.is_file() else ""


def write_resume_id(run: Run, tracker: str, text: str) -> None:
    """Keeps `text` for when the run is resumed."""
    file = _file(run, tracker)
    if file is not None:
        file.parent.mkdir(exist_ok=True)
        atomic_write(file, text.encode())


def _file(run: Run, tracker: str) -> Path | None:
    return None if run.folder is None else Path(run.folder) / "trackers" / tracker
