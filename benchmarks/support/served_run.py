"""A server process of a benchmark, and a client that costs little: requests are bytes, sent over connections that stay open."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ServedRun:
    """A server that runs.

    Args:
        process: of the server.
        port: where it listens, on this machine.
    """

    process: subprocess.Popen[bytes]
    port: int

    def metric(self, name: str, token: str = "") -> float:
        """The value of a metric that has no labels."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/metrics", headers={"authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request) as answer:
            lines = answer.read().decode().splitlines()
        return float(next(line for line in lines if line.startswith(f"{name} ")).split()[1])


@contextmanager
def served_run(port: int, runs: Sequence[Path | str], *options: str, log: Path, core: int | None = None) -> Iterator[ServedRun]:
    """A block in which `moft serve` runs, in one thread; it is stopped by SIGTERM, and has to end well.

    Args:
        port: to listen on.
        runs: run folders.
        options: further words of the command.
        log: file for what it writes on stderr.
        core: the only processor that it may use; None for any.
    """
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    words = [sys.executable, "-m", "moft", "serve", *map(str, runs), "--port", str(port), "--threads", "1", *options]
    with log.open("wb") as file:
        process = subprocess.Popen(words, stderr=file, env=environment)
    try:
        if core is not None:
            os.sched_setaffinity(process.pid, {core})
        _wait_for(process, port)
        yield ServedRun(process, port)
        process.send_signal(signal.SIGTERM)
        if process.wait(60) != 0:
            raise SystemExit(f"the server ended with {process.returncode}; {log} has what it wrote")
    finally:
        if process.poll() is None:
            process.kill()


def _wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        if process.poll() is not None:
            raise SystemExit(f"the server ended with {process.returncode} before it listened")
        with suppress(OSError, urllib.error.URLError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready"):
            return
        time.sleep(0.1)
    raise SystemExit("the server did not listen within two minutes")


def request_bytes(path: str, body: bytes, *, token: str = "", kind: str = "application/json") -> bytes:
    """A POST request as bytes."""
    lines = [f"POST {path} HTTP/1.1", "host: 127.0.0.1", f"content-type: {kind}", f"content-length: {len(body)}"]
    lines += [f"authorization: Bearer {token}"] if token else []
    return "\r\n".join([*lines, "", ""]).encode() + body


class Connection:
    """A connection that stays open from one request to the next.

    Args:
        port: of the server, on this machine.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """The status and the body of the answer."""
        reader, writer = await self.open()
        writer.write(request)
        await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = int(head.partition("content-length:")[2].partition("\r\n")[0])
        body = await reader.readexactly(length)
        if "connection: close" in head:
            self.close()
        return int(head.split(" ", 2)[1]), body

    async def leave_in(self, request: bytes) -> None:
        """Sends a part of a request, and goes away."""
        _, writer = await self.open()
        writer.write(request[: len(request) // 2])
        await writer.drain()
        self.close()

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The streams."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        return self._streams

    def close(self) -> None:
        """Closes the connection; the next request opens another one."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None
