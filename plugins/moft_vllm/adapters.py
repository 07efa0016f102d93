"""The adapters of the weightings that are in use: their folders, who uses them, and which are the oldest."""

from __future__ import annotations

import shutil
import tempfile
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from threading import Lock

from moft_vllm.policy import Policy

SHARED_MEMORY = Path("/dev/shm")


@dataclass
class _Entry:
    weights: Sequence[float] | None
    users: int = 0
    folder: Path | None = None
    lock: Lock = field(default_factory=Lock)


class Adapters:
    """Writes adapters into folders that no two adapters ever share, since vLLM caches what it computed by name and place.

    An adapter has users while requests for it run. Those without users are let go of, the oldest first, once there are more
    adapters than are kept. A folder is deleted only then, because vLLM may read it again as long as it knows the adapter.

    Args:
        policy: whose adapters they are.
        kept: how many adapters stay without users.
        root: of the folders; None for a new one in shared memory, or where temporary files are.
    """

    def __init__(self, policy: Policy, kept: int, root: Path | None = None) -> None:
        self._policy, self._kept, self._root = policy, kept, root
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._numbers, self._lock = count(1), Lock()

    def use(self, name: str, weights: Sequence[float] | None) -> None:
        """A request begins to use an adapter; without weights, it is one that changes nothing."""
        with self._lock:
            entry = self._entries.setdefault(name, _Entry(weights))
            entry.users += 1
            self._entries.move_to_end(name)

    def leave(self, name: str) -> None:
        """A request has ended."""
        with self._lock:
            if name in self._entries:
                self._entries[name].users -= 1

    def folder(self, name: str) -> Path | None:
        """The folder of an adapter, which is written if it is not there; None where no request uses that name."""
        with self._lock:
            entry, folder = self._entries.get(name), self._place() / str(next(self._numbers))
        if entry is None:
            return None
        with entry.lock:  # the others need not wait until it is written
            if entry.folder is None:
                self._policy.write_adapter(entry.weights, folder)
                entry.folder = folder
            return entry.folder

    def surplus(self) -> list[str]:
        """The names of adapters to unload, the oldest first; none of them has a user."""
        with self._lock:
            idle = [name for name, entry in self._entries.items() if not entry.users]
            return idle[: max(0, len(self._entries) - self._kept)]

    def drop(self, name: str) -> None:
        """Deletes an adapter that vLLM has unloaded, unless a request has come for it again."""
        with self._lock:
            entry = self._entries.get(name)
            if entry is None or entry.users:
                return
            del self._entries[name]
        if entry.folder is not None:
            shutil.rmtree(entry.folder, ignore_errors=True)

    def clear(self) -> None:
        """Deletes all folders, when the server ends."""
        with self._lock:
            self._entries.clear()
            if self._root is not None:
                shutil.rmtree(self._root, ignore_errors=True)

    def _place(self) -> Path:
        if self._root is None:
            self._root = Path(tempfile.mkdtemp(prefix="moft-vllm-", dir=SHARED_MEMORY if SHARED_MEMORY.is_dir() else None))
        return self._root
