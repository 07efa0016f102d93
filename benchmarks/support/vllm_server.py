"""A vLLM server of an exported folder, in the interpreter that `MOFT_VLLM_PYTHON` names, and requests to it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

PYTHON = "MOFT_VLLM_PYTHON"
"""The variable of the environment; its interpreter has vLLM, and need not have moft."""
_PATIENCE = 300  # seconds until a server answers


@contextmanager
def vllm_server(folder: Path, log: Path, *options: str) -> Iterator[str]:
    """Starts the server, gives its address within the block, and ends it.

    Args:
        folder: that `moft export --for vllm` wrote.
        log: file for what the server says.
        options: of the start script and of vLLM.

    Raises:
        RuntimeError: it ended, or did not answer in time; the message has the end of its log.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"PYTHON": os.environ[PYTHON], "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_LOGGING_LEVEL": "WARNING"}
    words = [str(folder / "start.sh"), "--host", "127.0.0.1", "--port", str(port), "--enforce-eager", *options]
    with log.open("w") as said:
        server = subprocess.Popen(words, env=environment, stdout=said, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        until = time.monotonic() + _PATIENCE
        while not _is_healthy(f"http://127.0.0.1:{port}"):
            if server.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"vLLM did not start:\n{log.read_text()[-3000:]}")
            time.sleep(0.5)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(server.pid, signal.SIGINT)
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)


def ask(url: str, path: str, body: Mapping[str, Any] | None) -> tuple[int, Mapping[str, str], bytes]:
    """Status, headers and content of an answer; without a body, of a GET."""
    content = None if body is None else json.dumps(body).encode()
    try:
        with urlopen(Request(url + path, content, {"Content-Type": "application/json"}), timeout=300) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except HTTPError as error:
        return error.code, dict(error.headers), error.read()


def ask_all(url: str, path: str, bodies: Sequence[Mapping[str, Any]], at_once: int) -> list[Any]:
    """The JSON of every answer, with so many requests running at a time.

    Raises:
        RuntimeError: one is an error.
    """

    def one(body: Mapping[str, Any]) -> Any:
        status, _, content = ask(url, path, body)
        if status != 200:
            raise RuntimeError(f"{status}: {content.decode()}")
        return json.loads(content)

    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(one, bodies))


def _is_healthy(url: str) -> bool:
    try:
        return ask(url, "/health", None)[0] == 200
    except OSError:
        return False
