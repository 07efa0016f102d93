"""Interpreters that begin with torch and moft imported: a server that forks one for each `python -c` or `-m` of a client.

Half a minute of processor time goes into every three interpreters otherwise, and tests of killed, swept and joined runs start
dozens. What a client asks for runs as in a process of its own: arguments, environment, working folder and standard streams are
the client's, and it ends with its client, however that ends.

Source: the fork servers of Python's multiprocessing and of Android ("zygote").
"""

from __future__ import annotations

import atexit
import gc
import importlib
import io
import json
import os
import runpy
import select
import signal
import socket
import sys
import tempfile
import threading
import traceback
from contextlib import suppress
from typing import Any

IMPORTED = (
    "torch._dynamo", "torch.distributed.tensor", "accelerate", "matplotlib.backends.backend_agg", "scipy.stats", "moocore",
    "moft.cli.app", "moft.cli.child_process", "moft.run.train", "moft.run.report.html_page",
    "moft.run.sweep.sweep", "moft.engine.training.trainer",
)  # fmt: skip
SOCKET, PROGRAM, OWNER = sys.argv[1], sys.argv[2], int(sys.argv[3])
"""Where clients connect; the program that does so, which a sweep starts in place of Python; who is not outlived."""


def serve() -> None:
    """Forks an interpreter for each client for as long as the owner lives."""
    from moft.cli.commands import sweep
    from moft.hooks.plugin_manager import Plugins

    for name in IMPORTED:
        importlib.import_module(name)
    Plugins().load()
    sweep.PROGRAM = (PROGRAM, *sweep.PROGRAM[1:])
    gc.collect()
    gc.freeze()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(f"{SOCKET}.new")
    listener.listen(64)
    os.rename(f"{SOCKET}.new", SOCKET)
    running: dict[socket.socket, int] = {}
    while lives(OWNER):
        ready, _, _ = select.select([listener, *running], [], [], 0.01 if running else 1.0)
        for client in [one for one in ready if one in running]:  # it was killed
            os.kill(running[client], signal.SIGKILL)
        if listener in ready:
            client, _ = listener.accept()
            process = forked(client, [listener, *running])
            client.sendall(f"{process}\n".encode())
            running[client] = process
        for client, process in list(running.items()):
            ended, status = os.waitpid(process, os.WNOHANG)
            if ended:
                del running[client]
                on_progress(client, os.waitstatus_to_exitcode(status))
    for process in running.values():
        os.kill(process, signal.SIGKILL)


def lives(process: int) -> bool:
    """Whether there is a process with this number."""
    with suppress(ProcessLookupError):
        os.kill(process, 0)
        return True
    return False


def on_progress(client: socket.socket, code: int) -> None:
    """Tells a client, if it lives, how its interpreter ended."""
    with suppress(OSError):
        client.sendall(f"{code}\n".encode())
    client.close()


def forked(client: socket.socket, others: list[socket.socket]) -> int:
    """The process that does what a client asks for."""
    content, streams, _, _ = socket.recv_fds(client, 1 << 20, 3)
    while not content.endswith(b"\n"):
        content += client.recv(1 << 20)
    if process := os.fork():
        for stream in streams:
            os.close(stream)
        return process
    for other in [client, *others]:
        other.close()
    try:
        begin(json.loads(content), streams)
    finally:
        os._exit(70)


def begin(asked: dict[str, Any], streams: list[int]) -> None:
    """Ends this process as Python would once it has run what was asked for."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.setsid()
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.stdin = io.TextIOWrapper(io.FileIO(0, "r", closefd=False), encoding="utf-8")
    sys.stdout, sys.stderr = (
        io.TextIOWrapper(io.BufferedWriter(io.FileIO(number, "w", closefd=False)), encoding="utf-8", line_buffering=number == 2)
        for number in (1, 2)
    )
    code = ended(asked["words"])
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        code = 120
    if code == -signal.SIGINT:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(code)


def ended(words: list[str]) -> int:
    """The exit code of `python WORDS`, which begin with `-P` or not, and then `-c` or `-m`."""
    how, what, *more = words[1:] if words[0] == "-P" else words
    sys.path[:0] = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    if words[0] != "-P":
        sys.path.insert(0, "" if how == "-c" else os.getcwd())
    try:
        if how == "-c":
            with tempfile.NamedTemporaryFile("w", suffix=".py", dir=os.path.dirname(SOCKET)) as file:
                file.write(what)
                file.flush()
                sys.argv = ["-c", *more]
                runpy.run_path(file.name, run_name="__main__")
        else:
            sys.argv = [what, *more]
            sys.modules.pop(what, None)  # as it is imported here already
            runpy.run_module(what, run_name="__main__", alter_sys=True)
    except SystemExit as error:
        if isinstance(error.code, str):
            print(error.code, file=sys.stderr)
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    except KeyboardInterrupt:
        traceback.print_exc()
        return -signal.SIGINT
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    sys.path.pop(0)  # this folder
    serve()
