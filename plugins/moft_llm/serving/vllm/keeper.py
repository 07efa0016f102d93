"""A program that runs another one, and ends it with all that it started when its own parent is gone; it needs Python alone.

`python keeper.py FOLDER ... -- COMMAND ...`: its input is a pipe that the parent keeps open. When the parent dies, in whatever
way, the pipe ends; then the command is ended, and the folders are deleted. The command leads a process group, whose number is
told.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from threading import Event, Thread

PATIENCE = 10.0
"""Seconds in which what is left of a group may end by itself: vLLM's processes free shared memory when they do."""
_ADOPTS = 36  # PR_SET_CHILD_SUBREAPER


def main(words: list[str]) -> int:
    """Runs the command; it is over when all that the command started is. SIGTERM is passed on; a second one ends all."""
    split = words.index("--")
    folders, command = words[:split], words[split + 1 :]
    if sys.platform == "linux":  # so that processes which the command leaves are known to have ended when they have
        ctypes.CDLL(None).prctl(_ADOPTS, 1, 0, 0, 0)
    stops: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stops.append(number))
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0)

    def stop(*_: object) -> None:
        stops.append(0)
        if len(stops) == 1:
            child.terminate()
        else:
            Thread(target=_end, args=[child]).start()

    signal.signal(signal.SIGTERM, stop)
    if stops:
        child.terminate()
    print(f"started {child.pid}", flush=True)
    is_orphan = Event()
    end = Thread(target=_end_with_parent, args=[child, folders, is_orphan], daemon=True)
    end.start()
    code = child.wait()
    if is_orphan.is_set():
        end.join()
    _end(child)
    print(f"ended with {f'signal {-code}' if code < 0 else f'exit status {code}'}", flush=True)
    return code if code >= 0 else 1


def _end_with_parent(child: subprocess.Popen[bytes], folders: list[str], is_orphan: Event) -> None:
    os.read(0, 1)
    is_orphan.set()
    _end(child)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


def _end(child: subprocess.Popen[bytes]) -> None:
    """Ends a process group: in order, or, after some time, at once."""
    until = time.monotonic() + PATIENCE
    try:
        os.killpg(child.pid, signal.SIGTERM)
        while time.monotonic() < until:
            time.sleep(0.02)
            if child.returncode is not None:
                with suppress(ChildProcessError):
                    os.waitpid(-child.pid, os.WNOHANG)  # an adopted one that has ended
            os.killpg(child.pid, 0)
        os.killpg(child.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # nobody is left; on macOS, only those that have ended
        return


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
