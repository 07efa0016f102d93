"""The folder of a run: made once, held by one process at a time, opened again to resume or to use the policy."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from moft.config.yaml12 import Malformed, dump, load
from moft.errors import RunError
from moft.files.atomic_write import atomic_folder, atomic_write
from moft.files.json import read_json, write_json

CONFIG = "config.yaml"
LOCK = ".lock"


class RunFolder:
    """Where the files of one run are.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / CONFIG
        self.versions = path / "versions.json"
        self.steps = path / "steps.jsonl"
        self.notes = path / "notes.json"
        self.checkpoints = path / "checkpoints"
        self.policy = path / "policy"
        self.plugins = path / "plugins"
        self.front = path / "front.json"
        self._lock: IO[str] | None = None

    @classmethod
    def create(cls, path: Path, config: Mapping[str, Any]) -> RunFolder:
        """A new folder, held by this process, with the resolved config and its plugin files in it.

        Raises:
            RunError: something is there already.
        """
        check_is_free(path)
        folder = cls(path)
        with atomic_folder(path) as temporary:
            folder._lock = lock_folder(temporary)
            cls(temporary).write_config(config)
            cls(temporary).copy_plugins(config.get("plugins", ()))
        return folder

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """An existing run.

        Raises:
            RunError: there is no run.
        """
        if not (path / CONFIG).is_file():
            raise RunError(f"{path}: is not a run folder (it has no {CONFIG}); `moft train` makes one.")
        return cls(path)

    def hold(self) -> None:
        """Keeps other processes from writing here until `release`, or until this process ends, however it ends.

        Raises:
            RunError: another process holds it.
        """
        self._lock = lock_folder(self.path)

    def release(self) -> None:
        """Lets others write here."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def resolved_config(self) -> dict[str, Any]:
        """The config that the run was made with.

        Raises:
            RunError: the file is not whole.
        """
        try:
            config = load(self.config.read_text(encoding="utf-8"))
        except (Malformed, UnicodeDecodeError) as error:
            raise RunError(f"{self.config}: is damaged ({type(error).__name__}).") from error
        if not isinstance(config, dict):
            raise RunError(f"{self.config}: is damaged; it holds no settings.")
        return config

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Keeps what the run is made with from here on."""
        atomic_write(self.config, dump(dict(config)).encode())

    def write_versions(self, versions: Mapping[str, Any]) -> None:
        """Keeps what the run was made with."""
        write_json(self.versions, versions)

    def clean(self) -> None:
        """Removes the half-written files and folders of a process that was killed."""
        for hidden in [*self.path.glob(".*"), *self.policy.glob(".*"), *self.plugins.glob(".*"), *self.checkpoints.glob("*/.*")]:
            if hidden.is_dir():
                shutil.rmtree(hidden, ignore_errors=True)
            elif hidden.name != LOCK:
                hidden.unlink()

    def discard(self) -> None:
        """Removes the folder, so that a mistake leaves nothing behind."""
        shutil.rmtree(self.path, ignore_errors=True)

    def read_notes(self) -> list[str]:
        """The sentences that were noted for the readers of the results."""
        return list(read_json(self.notes)) if self.notes.exists() else []

    def copy_plugins(self, files: Sequence[str]) -> None:
        """Copies plugin files, so that the policy can be opened from anywhere, and later, by what trained it."""
        for file in files:
            self.plugins.mkdir(exist_ok=True)
            atomic_write(self.plugins / Path(file).name, Path(file).expanduser().read_bytes())

    def discard_if_empty(self) -> None:
        """Removes the folder when nothing was learned in it yet."""
        if not self.policy.exists() and not any(self.checkpoints.glob("*/*/")):
            self.discard()


def check_is_free(path: Path) -> None:
    """Nothing, when a run can be made at `path`.

    Raises:
        RunError: something is there already.
    """
    if (path / CONFIG).exists():
        raise RunError(f"{path}: a run is there already; choose another --out, remove it, or go on with it by --resume.")
    if path.exists():
        kind = "a folder that is no run" if path.is_dir() else "a file"
        raise RunError(f"{path}: {kind} is there already; choose another --out or remove it.")


def lock_folder(folder: Path) -> IO[str]:
    """The lock of `folder`, held until the file is closed.

    Raises:
        RunError: another process holds it.
    """
    lock = (folder / LOCK).open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise RunError(f"{folder}: another process is writing this run; wait for it to end.") from error
    return lock
