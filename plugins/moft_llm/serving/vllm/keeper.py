"""A program that runs another one, and ends it with all that it started when its own parent is gone; it needs Python alone.

`python keeper.py FOLDER ... -- COMMAND ...`: its input is a pipe that the parent keeps open. When the parent dies, in whatever
way, the pipe ends; then the command is ended, and the folders are deleted. The command leads a process group, whose number is
told.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from threading import Event, Thread

PATIENCE = 10.0
"""Seconds in which what is left of a group may end by itself: vLLM's processes free shared memory when they do."""


def main(words: list[str]) -> int:
    """Runs the command; it is over when all that the command started is. SIGTERM is passed on; a second one ends all."""
    split = words.index("--")
    folders, command = words[:split], words[split + 1 :]
    stops: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stops.append(number))
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0)

    def stop(*_: object) -> None:
        stops.append(0)
        if len(stops) == 1:
            child.terminate()
        else:
            Thread(target=_end, args=[child.pid]).start()

    signal.signal(signal.SIGTERM, stop)
    if stops:
        child.terminate()
    print(f"started {child.pid}", flush=True)
    is_orphan = Event()
    end = Thread(target=_end_with_parent, args=[child.pid, folders, is_orphan], daemon=True)
    end.start()
    code = child.wait()
    if is_orphan.is_set():
        end.join()
    _end(child.pid)
    print(f"ended with {f'signal {-code}' if code < 0 else f'exit status {code}'}", flush=True)
    return code if code >= 0 else 1


def _end_with_parent(group: int, folders: list[str], is_orphan: Event) -> None:
    os.read(0, 1)
    is_orphan.set()
    _end(group)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


def _end(group: int) -> None:
    """Ends a process group: in order, or, after some time, at once."""
    until = time.monotonic() + PATIENCE
    try:
        os.killpg(group, signal.SIGTERM)
        while time.monotonic() < until:
            time.sleep(0.02)
            os.killpg(group, 0)
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # nobody is left; on macOS, only those that have ended
        return


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
