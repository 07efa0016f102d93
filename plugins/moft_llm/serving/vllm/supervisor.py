"""Keeps a vLLM running: one that ended or answers no more is started again, after waits that grow."""

from __future__ import annotations

import logging
import shutil
import time
from threading import Event, Thread

from moft_llm.serving.vllm.launch import Launch
from moft_llm.serving.vllm.server import VLLMServer

log = logging.getLogger("moft.serve")

FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
"""Seconds before it is started again, which double each time."""
STEADY = 60.0
"""Seconds after which a server that runs counts as well, so that the waits begin anew."""
_START = 3600.0
"""Seconds in which it has to be up; it may have to download a model."""
_LOOK, _CHECK, _DOUBTED = 0.1, 5.0, 1.0
"""Seconds between two looks whether it has ended, between two questions whether it is well, and that who doubts waits."""
_SILENT = 3
"""Questions in a row that are not answered by a server that is over."""


class Supervisor:
    """Starts a server in a thread of its own, and again when it is over, until it is stopped.

    Args:
        launch: what to start.
        first_wait: see `FIRST_WAIT`.
    """

    def __init__(self, launch: Launch, first_wait: float = FIRST_WAIT) -> None:
        self._launch, self._first_wait = launch, first_wait
        self.server: VLLMServer | None = None
        """That is up now."""
        self.failure = ""
        """Why the first one did not come up."""
        self._settled, self._stopped, self._doubted = Event(), Event(), Event()
        self._took, self._expected = 0.0, 0.0  # by the last start; and by the monotonic clock, when there will be a server
        self._thread = Thread(target=self._work, name="moft-vllm", daemon=True)
        self._thread.start()

    @property
    def seconds(self) -> float:
        """After which a request that finds no server is worth another try, at least 1."""
        return max(1.0, self._expected - time.monotonic())

    def wait(self) -> None:
        """Waits until the first server is up, or is known not to come."""
        self._settled.wait()

    def doubt(self) -> None:
        """Looks now whether the server is well, and waits a moment for what is found."""
        self._doubted.set()
        until = time.monotonic() + _DOUBTED
        while self._doubted.is_set() and self.server is not None and time.monotonic() < until:
            time.sleep(_LOOK / 5)

    def stop(self) -> None:
        """Ends the server, and waits for that."""
        self._stopped.set()
        self._thread.join()

    def _work(self) -> None:
        wait = self._first_wait
        try:
            while not self._stopped.is_set():
                problem, seconds = self._once(wait)
                if self._stopped.is_set():
                    break
                if not self._settled.is_set():
                    self.failure = problem
                    break
                wait = self._first_wait if seconds > STEADY else wait
                self._expected = time.monotonic() + wait + self._took
                self._tell(logging.ERROR, "vllm ended", reason=problem, again_in=wait)
                self._stopped.wait(wait)
                wait = min(2 * wait, LONGEST_WAIT)
        finally:
            self._settled.set()

    def _once(self, wait: float) -> tuple[str, float]:
        """Runs a server until it is over; why it is, and for how many seconds it was up."""
        began = time.monotonic()
        try:
            server = VLLMServer(self._launch)
        except OSError as error:
            return f"it could not be started ({error.strerror})", 0.0
        problem, up = self._start(server), time.monotonic()
        if not problem:
            self._took = up - began
            self._tell(logging.INFO, "vllm is ready", pid=server.pid, seconds=round(self._took, 1), context=server.longest)
            self.server = server
            self._settled.set()
            problem = self._watch(server)
            self._expected = time.monotonic() + wait + self._took
            self.server = None
        server.stop()
        self._empty_adapters()
        return f"{problem}: {server.cause}" if server.cause else problem, time.monotonic() - up

    def _start(self, server: VLLMServer) -> str:
        """Waits until a server is up; else says why it is not."""
        until, pause = time.monotonic() + _START, 0.05
        while not self._stopped.wait(pause):
            if server.is_over:
                return "it ended before it was ready"
            if server.health() == "up":
                return ""
            if time.monotonic() > until:
                return f"it was not ready within {_START:g} s"
            pause = min(1.0, 1.5 * pause)
        return "it was stopped"

    def _watch(self, server: VLLMServer) -> str:
        """Waits until a server is over or not well, and says which."""
        silent, asked = 0, time.monotonic()
        while not self._stopped.wait(_LOOK if silent or not self._doubted.is_set() else 0):
            if server.is_over:
                return "it ended"
            if not (silent or self._doubted.is_set() or time.monotonic() - asked > _CHECK):
                continue
            health, asked = server.health(), time.monotonic()
            if health == "dead":
                return "its engine is dead"
            silent = silent + 1 if health == "silent" else 0
            if silent == _SILENT:
                return "it answers no more"
            if not silent:
                self._doubted.clear()
        return "it was stopped"

    def _empty_adapters(self) -> None:
        """Deletes what a server that was killed left in shared memory."""
        for left in self._launch.adapters.glob("*"):
            shutil.rmtree(left, ignore_errors=True)

    def _tell(self, level: int, event: str, **fields: object) -> None:
        log.log(level, event, extra={"fields": {"model": self._launch.name, **fields}})
