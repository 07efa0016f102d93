"""Creates, opens and locks the folder of a run, and reads and writes its config, versions and notes."""

from __future__ import annotations

import errno
import fcntl
import functools
import glob
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import IO, Any

from moft.config.yaml12 import Malformed, dump, load
from moft.errors import RunError
from moft.files.atomic_write import atomic_folder, atomic_write, not_followed
from moft.files.expected_keys import check_expected, read_expected
from moft.files.json import write_json
from moft.files.leftovers import remove_leftovers, remove_leftovers_in, remove_own
from moft.files.regular_file import is_special
from moft.files.user_path import user_path
from moft.run.folder.layout_version import LAYOUT, RESTORE, check_layout
from moft.suggestions import one_line

CONFIG = "config.yaml"
LOCK = ".lock"
_CONFIG = {
    **{"task?": {"name": str}, "method?": {"name": str}, "profile?": dict, "trainer?": dict},
    **{"seed?": int, "plugins?": [str], "trackers?": [{"name": str}]},
}
CHECKPOINT = ("state.json", *(f"{kind}.safetensors" for kind in ("weights", "best", "optimizer", "generators")))
"""The files of a checkpoint."""
POINTS = "-".join(["[0-9a-f]" * 16] * 2) + ".safetensors"
"""The pattern of files of measured points."""
OWN = (
    *(CONFIG, LOCK, "versions.json", "steps.jsonl", "notes.json"),
    *("front.json", "front.csv", "front.png", "report.html", "lists.safetensors"),
    *("policy/policy.safetensors", "policy/task.safetensors", "policy/record.json", f"measured/{POINTS}"),
    *(f"checkpoints/*/{place}/{file}" for place in ("finished", "step-*") for file in CHECKPOINT),
    *("checkpoints/*/finished/", "checkpoints/*/step-*/", "checkpoints/*/", "checkpoints/", "policy/", "plugins/", "measured/"),
)
"""What moft writes into the folder of a run beside copies of plugin files, as patterns."""
TRACKED = ("trackers/*", "tensorboard/**/*", "wandb/**/*")
"""What trackers write there."""
PROFILES = "profiles"
CHOICES = "choices"
SHOWN = 8
"""Runs inside of a folder that a message names."""
FOLDERS = tuple(sorted({PROFILES, CHOICES, *(pattern.split("/")[0] for pattern in (*OWN, *TRACKED) if "/" in pattern)}))
"""The folders of a run that moft and trackers write into; other folders, and links to such, are the user's."""
_loaded = functools.lru_cache(maxsize=8)(load)
"""A command reads the config of its run several times."""


class RunFolder:
    """The paths of the files of one run, and a lock on its folder.

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
        self.trackers = path / "trackers"
        self.measured = path / "measured"
        self.front = path / "front.json"
        self.choices = path / CHOICES
        self._lock: IO[str] | None = None

    @classmethod
    def create(cls, path: Path, config: Mapping[str, Any]) -> RunFolder:
        """Makes a folder with the resolved config and copies of its plugin files; this process holds its lock.

        An empty folder that is there is filled; it may be one that cannot be replaced, such as a mounted one.

        Raises:
            RunError: something else is there.
        """
        check_is_free(path)
        folder = cls(path)
        if is_unused(path):
            folder._lock = lock_folder(path)
            check_is_free(path)  # another process may have filled it
            folder.write_config(config)
            folder.copy_plugins(config.get("plugins", ()))
            return folder
        with atomic_folder(path) as temporary:
            folder._lock = lock_folder(temporary)
            cls(temporary).write_config(config)
            cls(temporary).copy_plugins(config.get("plugins", ()))
        return folder

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """An existing run.

        Raises:
            RunError: there is no run, its config is damaged, a pipe or a device is in the place of a file, or another version of
                moft made it.
        """
        if not (path / CONFIG).is_file():
            inside = sorted(found.parent for found in path.glob(f"*/{CONFIG}"))
            if inside:
                names = ", ".join(each.name for each in inside[:SHOWN]) + (", ..." if len(inside) > SHOWN else "")
                raise RunError(f"{path}: is not a run folder, but holds some: {names}; give one, such as {inside[0]}.")
            raise RunError(f"{path}: is not a run folder (it has no {CONFIG}); `moft train` makes one.")
        for place in (place for pattern in OWN for place in path.glob(pattern)):
            if is_special(place) and place.name != LOCK:  # which is not read
                raise RunError(f"{place}: is not a regular file; remove it.")
        folder = cls(path)
        folder.resolved_config()
        return folder

    def hold(self) -> None:
        """Keeps other processes from writing to the folder until `release`, or until this process ends.

        Raises:
            RunError: another process holds it, or a folder in there is a symbolic link.
        """
        self.check_is_own()
        self._lock = lock_folder(self.path)

    def check_is_own(self, target: Path | None = None) -> None:
        """Checks that what is written into the folders of the run stays in the run folder.

        Args:
            target: something in the run folder that is to be written, too.

        Raises:
            RunError: one of them is a symbolic link.
        """
        above = [] if target is None else [place for place in target.parents if place.is_relative_to(self.path)]
        inside = [place for place in above if place != self.path] + [self.path / name for name in FOLDERS]
        inside += [Path(top) / name for top, names, _ in os.walk(self.checkpoints) for name in names]
        for place in inside:
            if place.is_symlink() and place.is_dir():
                raise RunError(f"{place}: is a symbolic link, and moft writes only into the run folder itself; remove the link.")

    def release(self) -> None:
        """Lets other processes write to the folder."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    @property
    def is_in_place(self) -> bool:
        """False once the folder that this process holds was removed, moved or replaced by another."""
        if self._lock is None:
            return True
        try:
            return os.path.samestat(os.stat(self.path / LOCK), os.fstat(self._lock.fileno())) and self.config.is_file()
        except OSError:
            return False

    def check_in_place(self) -> None:
        """Checks that what is written now reaches the folder that this process holds.

        Raises:
            RunError: it was removed, moved or replaced by another.
        """
        if not self.is_in_place:
            raise RunError(
                f"{self.path}: the run folder was removed, moved or replaced during the run, so nothing more can be kept. Put it "
                "back and continue with --resume, or train anew."
            )

    def resolved_config(self) -> dict[str, Any]:
        """The config that the run was made with.

        Raises:
            RunError: the file is damaged, or another version of moft made the run.
        """
        try:
            config: dict[str, Any] = deepcopy(_loaded(self.config.read_text(encoding="utf-8")))
        except OSError as error:
            raise RunError(f"{self.config}: cannot be read ({error.strerror or error}).") from error
        except (Malformed, UnicodeDecodeError, RecursionError) as error:
            line = f", line {error.line}" if isinstance(error, Malformed) else ""
            raise RunError(f"{self.config}: is damaged ({one_line(error).rstrip('.')}{line}). {RESTORE}") from error
        check_expected(config, _CONFIG, self.config, RESTORE)
        check_layout(self.versions, config)
        return config

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Writes `config.yaml`."""
        atomic_write(self.config, dump(dict(config)).encode())

    def write_versions(self, versions: Mapping[str, Any]) -> None:
        """Writes `versions.json`: what the run was made with, and the layout of this folder."""
        write_json(self.versions, {"layout": LAYOUT, **versions})

    def clean(self) -> None:
        """Removes the partly written files and folders of a process that was killed; this process must hold the folder."""
        own = self._own()
        remove_leftovers(self.path)
        places = (self.path, self.policy, self.plugins, self.trackers, self.measured, self.checkpoints)
        for folder in (*places, *self.checkpoints.glob("*/")):
            remove_leftovers_in(folder, own, root=self.path)

    def discard(self) -> None:
        """Removes what moft wrote, and the folder if nothing else is in it; another folder that is there now is left alone."""
        if self.is_in_place:
            remove_own(self.path, self._own())

    def _own(self) -> tuple[str, ...]:
        """The patterns of what moft wrote here: also the copies of the plugin files that the config names."""
        files: list[str] = []
        with suppress(RunError):  # damaged, which is told when it is read to be used
            files = self.resolved_config().get("plugins", [])
        copies = [f"plugins/{glob.escape(Path(file).name)}" for file in files]
        return (*OWN, *TRACKED, *(name for copy in copies for name in (copy, f"{copy}.failed")))

    def read_notes(self) -> list[str]:
        """The notes for the readers of the results."""
        return list(read_expected(self.notes, [str], "Restore or remove it.")) if self.notes.exists() else []

    def copy_plugins(self, files: Sequence[str]) -> None:
        """Copies plugin files into the folder, so that the policy can be opened with them from anywhere."""
        for file in files:
            self.plugins.mkdir(exist_ok=True)
            atomic_write(self.plugins / Path(file).name, user_path(file).read_bytes())

    def discard_if_empty(self) -> None:
        """Removes the folder if it has neither a policy nor a checkpoint."""
        if not self.policy.exists() and not any(self.checkpoints.glob("*/*/")):
            self.discard()


def check_is_free(path: Path) -> None:
    """Checks that a run can be made at `path`.

    Raises:
        RunError: the path exists, or no folder can be made there.
    """
    if (path / CONFIG).exists():
        raise RunError(f"{path}: a run already exists here; choose another --out, remove it, or continue it with --resume.")
    if path.exists() and not is_unused(path):
        kind = "a folder that is not a run" if path.is_dir() else "a file"
        raise RunError(f"{path}: {kind} already exists here; choose another --out or remove it.")
    above = next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.exists() or folder.is_symlink())
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        reason = os.strerror(errno.EACCES if above.is_dir() else errno.ENOTDIR)
        raise RunError(f"{path}: cannot be written ({reason}); choose another --out.")


def is_unused(path: Path) -> bool:
    """Whether a run can be made in the folder at `path`: it is empty, but for the lock of a process that was killed."""
    try:
        return path.is_dir() and not path.is_symlink() and all(entry.name == LOCK for entry in path.iterdir())
    except OSError:  # it cannot be read
        return False


def lock_folder(folder: Path) -> IO[str]:
    """Locks `folder` until the returned file is closed.

    Raises:
        RunError: another process holds it, or the file for it cannot be opened.
    """
    try:
        lock = open(folder / LOCK, "a", opener=not_followed, encoding="utf-8")  # noqa: SIM115 - closed by `release`
    except OSError as error:
        raise RunError(f"{folder / LOCK}: cannot be opened ({error.strerror}).") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise RunError(f"{folder}: another process is writing this run; wait for it to end.") from error
    return lock
