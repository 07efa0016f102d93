"""A process of vLLM that serves an exported folder on a port of its own: how it is started, asked, watched and ended."""

from __future__ import annotations

import json
import logging
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from threading import Thread
from typing import Any, Literal

from moft.api import redacted
from moft_llm.export.vllm_folder import START
from moft_llm.serving.vllm.launch import Launch
from moft_vllm.served import ADAPTERS

log = logging.getLogger("moft.serve")

HOST = "127.0.0.1"
KEEPER = Path(__file__).with_name("keeper.py")
_STARTED = re.compile(r"started ([0-9]+)")
_LEVEL = re.compile(r"\b(DEBUG|INFO|WARNING|ERROR|CRITICAL)\b")
_CAUSE = re.compile(r"\w*(?:Error|Exception|error): \S.*")
_BEGUN, _PROCESS = re.compile(r"validation errors? for \w+$"), re.compile(r"^\(\w+ pid=\d+\) *")
"""What pydantic says of settings before a line that says more, and how lines of vLLM begin."""
_ASKED = 10.0
"""Seconds of a question whether it is well."""
_IN_ORDER, _STARTING, _AT_ONCE = 10.0, 2.0, 12.0
"""Seconds in which it may end by itself, the same before it is up, and those in which the keeper ends it otherwise."""


class VLLMServer:
    """A process that was started.

    Args:
        launch: what to start.
    """

    longest: int | None = None
    """Tokens of its context, once it is up."""

    def __init__(self, launch: Launch) -> None:
        self._launch, self._key, self._port = launch, secrets.token_hex(16), _free_port()
        self.cause, self._has_cause = "", False
        """The first error that it told before it was up; else its last line, which says how it ended."""
        self._group = 0
        ends = [str(launch.folder.parent), str(launch.adapters), "--"]
        words = [str(launch.folder / START), *launch.options, "--host", HOST, "--port", str(self._port)]
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(KEEPER), *ends, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=_environment(launch, self._key),
            start_new_session=True,
        )
        self._reader = Thread(target=self._read, name="moft-vllm-log", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Of vLLM's server, which leads a process group; 0 while it is not known."""
        return self._group

    @property
    def is_over(self) -> bool:
        """Whether the process has ended."""
        return self._process.poll() is not None

    def health(self) -> Literal["up", "dead", "silent"]:
        """Whether it answers, says that its engine is dead, or is silent."""
        try:
            status, _ = self._get("/health")
            if status == 200 and self.longest is None:
                status, content = self._get("/v1/models")
                self.longest = int(json.loads(content)["data"][0]["max_model_len"])
        except (OSError, HTTPException, ValueError, LookupError, TypeError):
            return "silent"
        return "up" if status == 200 else "dead"

    def connect(self, timeout: float | None = None) -> HTTPConnection:
        """A connection to it, for one request; `timeout` in seconds.

        Raises:
            OSError: it is gone.
        """
        connection = HTTPConnection(HOST, self._port, timeout=_ASKED)
        connection.connect()
        connection.sock.settimeout(timeout)
        return connection

    @property
    def headers(self) -> dict[str, str]:
        """Of a request."""
        return {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}

    def stop(self) -> None:
        """Ends the process and all that it started: in order, or, after some time, at once."""
        for patience in (_STARTING if self.longest is None else _IN_ORDER, _AT_ONCE):
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(patience)
        self._process.kill()
        self._process.wait()
        self._reader.join(0.1)  # so that a keeper that was killed at once has told the group
        if self._group:
            with suppress(ProcessLookupError):
                os.killpg(self._group, signal.SIGKILL)
        self._reader.join(1)
        if self._process.stdin is not None:
            self._process.stdin.close()

    def _get(self, path: str) -> tuple[int, bytes]:
        connection = self.connect(_ASKED)
        try:
            connection.request("GET", path, headers=self.headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def _read(self) -> None:
        """Logs what it says, line by line."""
        for line in self._process.stdout or ():
            if not (said := str(redacted(line.strip()))):
                continue
            if not self._group and (started := _STARTED.fullmatch(said)):
                self._group = int(started[1])
                continue
            word = _LEVEL.search(said)
            level = logging.getLevelNamesMapping()[word[1]] if word else logging.INFO
            found = None if word and level < logging.ERROR else _CAUSE.search(said)
            if self.longest is not None:
                self.cause = said
            elif not self._has_cause:
                self.cause, self._has_cause = (found[0], True) if found else (said, False)
            elif _BEGUN.search(self.cause):
                self.cause += f": {_PROCESS.sub('', said)}"
            log.log(level, "vllm", extra={"fields": {"model": self._launch.name, "line": said}})


def _free_port() -> int:
    with socket.socket() as free:
        free.bind((HOST, 0))
        port: int = free.getsockname()[1]
        return port


def _environment(launch: Launch, key: str) -> Mapping[str, str]:
    """The variables of this process, without its secrets, and those of vLLM."""
    hidden = {"MOFT_SERVE_TOKEN", *(["PYTHONPATH"] if launch.is_other else [])}
    own: dict[str, Any] = {"PYTHON": launch.python, "VLLM_API_KEY": key, ADAPTERS: str(launch.adapters), "NO_COLOR": "1"}
    return {"VLLM_NO_USAGE_STATS": "1", **{name: value for name, value in os.environ.items() if name not in hidden}, **own}
