"""A program that runs another one, and ends it with all that it started when its own parent is gone; it needs Python alone.

`python keeper.py FOLDER ... -- COMMAND ...`: its input is a pipe that the parent keeps open. When the parent dies, in whatever
way, the pipe ends; then the folders are deleted, too. It leads a process group of its own.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from threading import Thread


def main(words: list[str]) -> int:
    """Runs the command; it is over when the command is."""
    split = words.index("--")
    folders, command = words[:split], words[split + 1 :]
    signal.signal(signal.SIGTERM, lambda *_: None)  # of the group: the command ends, and then so does this
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    Thread(target=_end_with_parent, args=[folders], daemon=True).start()
    code = child.wait()
    print(f"ended with {f'signal {-code}' if code < 0 else f'exit status {code}'}", flush=True)
    os.killpg(0, signal.SIGKILL)  # what the command has left, and this program
    return code


def _end_with_parent(folders: list[str]) -> None:
    os.read(0, 1)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
