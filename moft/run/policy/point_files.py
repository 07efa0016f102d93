"""Measured points in a folder, so that measuring goes on after an interruption; the files are removed in the end."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import moft
from moft.engine.fronts.kept_points import joined
from moft.errors import MoftError, RunError
from moft.files.leftovers import remove_own
from moft.files.safetensors import load_tensors, save_tensors
from moft.run.folder.plugin_copies import plugin_hashes
from moft.run.folder.resume import without_batches
from moft.run.folder.run_folder import LOCK, POINTS, RunFolder, lock_folder
from moft.run.policy.policy_files import POLICY, TASK, hash_of
from moft.types import ListValues, Tradeoff

SUFFIX = ".partial"
QUICK = 0.02
"""Seconds; what took less is measured again rather than kept."""
_MORE = "more."


class PointFiles:
    """The points of one policy, measured in one way, as files in a folder.

    Args:
        folder: that holds them; it is made with the first file.
        key: hash, hex, of everything that the values depend on beside weights and betas, such as policy, evaluator and data.
        kind: `policy` or `base`.
        rows: values that are there already, by kind, weights and betas; None reads the folder.
        is_main: False in processes that write nothing.
        check: called before anything is written.
    """

    def __init__(
        self,
        folder: Path,
        key: str,
        kind: str = "policy",
        *,
        rows: dict[str, ListValues] | None = None,
        is_main: bool = True,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self.folder, self._key, self._kind, self._is_main, self._check = folder, key, kind, is_main, check
        self.rows = _read(folder, key) if rows is None else rows

    def of(self, kind: str) -> PointFiles:
        """The same files for the points of another model."""
        return PointFiles(self.folder, self._key, kind, rows=self.rows, is_main=self._is_main, check=self._check)

    def find(self, rows: Tradeoff) -> ListValues | None:
        found = [self.rows.get(name) for name in _names(self._kind, rows)]
        whole = [values for values in found if values is not None]
        return joined(whole) if len(whole) == len(found) else None

    def keep(self, rows: Tradeoff, values: ListValues, seconds: float) -> None:
        if seconds < QUICK or not self._is_main:
            return
        self._check()
        whole = rows.expand(len(rows))
        tensors = {"weights": whole.weights, "betas": whole.betas, "lists": values.lists}
        tensors |= {"values": values.values, "main": values.main}
        tensors |= {f"{_MORE}{name}": series for name, series in values.more.items()}
        tensors |= {"name": torch.tensor(list(json.dumps([self._kind, values.main_name]).encode()), dtype=torch.uint8)}
        self.folder.mkdir(parents=True, exist_ok=True)
        place = hashlib.sha256("".join(_names(self._kind, rows)).encode()).hexdigest()[:16]
        save_tensors(self.folder / f"{self._key[:16]}-{place}.safetensors", tensors)
        self.rows |= _by_name(self._kind, rows, values)

    def clear(self) -> None:
        """Removes all files, those of other keys too."""
        remove_own(self.folder, (POINTS,))


def partial_of(target: Path) -> Path:
    """The folder that holds the points of a profile until it is written."""
    return target.with_name(target.name + SUFFIX)


@contextmanager
def points_beside(target: Path, key: str) -> Iterator[PointFiles]:
    """The points of a profile that is about to be written to `target`, in `TARGET.partial`; removed when the block succeeds.

    Raises:
        RunError: another process measures there, or nothing can be written there.
    """
    folder = partial_of(target)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{target}: cannot be written ({error.strerror}); choose another folder with --out.") from error
    try:
        lock = lock_folder(folder)
    except RunError as error:
        raise RunError(f"{folder}: another process is measuring for {target}; wait for it to end.") from error
    points = PointFiles(folder, key)
    try:
        yield points
        points.clear()
    finally:
        if not any(folder.glob(POINTS)):
            remove_own(folder, (LOCK,))
        lock.close()


def points_key(folder: RunFolder, split: str, data: Mapping[str, Any], metrics: Mapping[str, Sequence[str]] | None = None) -> str:
    """The hash of what measured values depend on, beside weights and betas.

    Args:
        folder: of the run, with its policy.
        split: that is measured.
        data: identity of the data.
        metrics: of objectives, in place of those of the run.
    """
    evaluator = without_batches(folder.resolved_config()["profile"]["evaluator"])
    policy = [hash_of(folder.policy / name) for name in (TASK, POLICY)]
    parts = [split, data, evaluator, policy, plugin_hashes(folder), moft.__version__, *([metrics] if metrics else [])]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def _read(folder: Path, key: str) -> dict[str, ListValues]:
    """All points of a key; a file that is damaged is left out, and its points are measured again."""
    found: dict[str, ListValues] = {}
    for file in sorted(folder.glob(f"{key[:16]}-*.safetensors")):
        with suppress(MoftError, KeyError, ValueError, TypeError, IndexError, RuntimeError):
            found |= _points_of(load_tensors(file, unmeasured=_Measured()))
    return found


def _points_of(tensors: Mapping[str, Tensor]) -> dict[str, ListValues]:
    """The points of a file, each by its name."""
    kind, main_name = json.loads(bytes(tensors["name"].tolist()))
    values, main, lists = tensors["values"], tensors["main"], tensors["lists"]
    more = {name.removeprefix(_MORE): series for name, series in tensors.items() if name.startswith(_MORE)}
    n, count, m = values.shape
    shapes = [main.shape == (n, count), lists.shape == (count,), tensors["weights"].shape == tensors["betas"].shape == (n, m)]
    if not all(shapes) or any(series.shape != (n, count) for series in more.values()):
        raise ValueError("shapes differ")
    return _by_name(kind, Tradeoff(tensors["weights"], tensors["betas"]), ListValues(values, main, lists, more, main_name))


def _by_name(kind: str, rows: Tradeoff, values: ListValues) -> dict[str, ListValues]:
    """The values of each row, by its name."""
    places = ((name, slice(row, row + 1)) for row, name in enumerate(_names(kind, rows)))
    return {
        name: ListValues(
            values.values[at],
            values.main[at],
            values.lists,
            {key: series[at] for key, series in values.more.items()},
            values.main_name,
        )
        for name, at in places
    }


class _Measured:
    """The names of tensors in which NaN stands for what was not measured."""

    def __contains__(self, name: object) -> bool:
        return name in ("values", "main") or str(name).startswith(_MORE)


def _names(kind: str, rows: Tradeoff) -> list[str]:
    """A name for each row, of its model, weights and betas."""
    whole = rows.expand(len(rows))
    return [json.dumps([kind, *row]) for row in zip(whole.weights.double().tolist(), whole.betas.double().tolist(), strict=True)]
