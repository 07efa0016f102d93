"""Runs the application on a socket until a signal stops it: what was accepted is answered first."""

from __future__ import annotations

import asyncio
import ipaddress
import signal
import socket
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI

from moft import ConfigError
from moft_serve.http.limits import Limits
from moft_serve.http.logs import log

_KEPT = 75
"""Seconds that an idle connection is kept open: longer than load balancers keep theirs, which is 60 for most."""
_BACKLOG = 2048
_STEP = 0.02
"""Seconds between two looks at whether all requests are answered."""


def is_loopback(host: str) -> bool:
    """Whether only programs of this machine reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def bound_socket(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Args:
        host: address or name of this machine.
        port: 0 for any that is free.

    Raises:
        ConfigError: the port is taken, or this machine has no such address.
    """
    try:
        family, *_ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listening = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else bodies wait 40 ms for the receipt of their headers
        return listening
    except (OSError, OverflowError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).partition(" (while")[0]  # Python adds the address to it
        raise ConfigError(f"{host}:{port}: cannot be listened on ({reason.lower()}); choose another --port or --host.") from error


class Server(uvicorn.Server):
    """Serves the application until `stop`.

    Args:
        app: of `application`.
        limits: of the server.
    """

    def __init__(self, app: FastAPI, limits: Limits) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="on",
                server_header=False,
                timeout_graceful_shutdown=1,
                timeout_keep_alive=_KEPT,
            )
        )
        self._app, self._limits, self.traffic = app, limits, app.state.traffic
        self._tasks: set[asyncio.Task[None]] = set()
        self._silent: dict[Any, tuple[object, float]] = {}  # by connection: its last request, and since when it has no other

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGTERM and SIGINT stop in order, a second one at once; SIGHUP reloads all runs."""
        loop = asyncio.get_running_loop()
        known = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        before = {number: signal.getsignal(number) for number in known}
        try:
            for number in known:
                loop.add_signal_handler(number, self.heed, number)
        except (ValueError, RuntimeError):  # not in the main thread, where no signal arrives
            before = {}
        try:
            yield
        finally:
            for number, handler in before.items():
                loop.remove_signal_handler(number)
                signal.signal(number, handler)

    async def on_tick(self, counter: int) -> bool:
        """Closes connections on which no request has begun for long, also those that send their headers in small pieces."""
        if counter % 10 == 0:
            now, before, self._silent = time.monotonic(), self._silent, {}
            connections: set[Any] = self.server_state.connections  # of HTTP/1.1; nothing else is served
            for connection in list(connections):
                last = connection.cycle
                if last is None or last.response_complete:
                    known = before.get(connection)
                    since = now if known is None or known[0] is not last else known[1]
                    self._silent[connection] = last, since
                    if now - since > _KEPT + 1:  # those that are idle are closed by uvicorn
                        connection.transport.close()
        return await super().on_tick(counter)

    def heed(self, number: int) -> None:
        """Does what a signal asks for."""
        if number == signal.SIGHUP:
            self._start(self._app.state.reloader.reload_all())
        elif self.traffic.is_stopping:
            self.should_exit = self.force_exit = True
        else:
            self.traffic.is_stopping = True
            log("stopping", signal=signal.Signals(number).name)
            self._start(self.stop())

    async def stop(self) -> None:
        """Refuses new requests with 503, waits until all others are answered, and ends."""
        traffic, loop = self.traffic, asyncio.get_running_loop()
        traffic.is_stopping, until = True, loop.time() + self._limits.shutdown_timeout
        while traffic.in_flight and loop.time() < until and not self.should_exit:
            await asyncio.sleep(_STEP)
        if traffic.in_flight:
            log("stopped with unanswered requests", requests=traffic.in_flight)
            for served in self._app.state.models:
                if served.engine is not None:  # its texts end with an error that their clients are told
                    await asyncio.to_thread(served.engine.close, drain=False)
        self.should_exit = True

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
