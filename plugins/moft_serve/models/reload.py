"""Puts the run that a folder holds now in the place of the one that was opened before; a broken one changes nothing."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from moft import MoftError
from moft.api import TextEngine
from moft_serve.http.errors import ApiError
from moft_serve.http.logs import log
from moft_serve.http.metrics import Metrics
from moft_serve.models.served_models import Models, Opener, Served


class Reloader:
    """Reloads one run at a time, in a thread of its own, while requests are answered from the old one.

    Args:
        models: to change.
        open_served: opens a run and checks it.
        metrics: to count in.
    """

    def __init__(self, models: Models, open_served: Opener, metrics: Metrics) -> None:
        self._models, self._open, self._metrics, self._lock = models, open_served, metrics, asyncio.Lock()
        self._closing: set[asyncio.Task[None]] = set()
        self._worker = ThreadPoolExecutor(1, "moft-reload")  # always the same thread, which has memory of its own

    async def reload(self, name: str) -> Served:
        """The run of a name, opened again; requests that came before go on with the old one.

        Raises:
            ApiError: there is no such run, or it cannot be opened; then the old one is still served.
        """
        async with self._lock:
            old, began = self._models.get(name), time.perf_counter()
            try:
                served = await asyncio.get_running_loop().run_in_executor(self._worker, self._open, name, old.path)
            except (MoftError, OSError) as error:
                self._metrics.reloads.labels(name, "failed").inc()
                log("reload failed", logging.ERROR, model=name, reason=str(error))
                text = f"{name!r} was not reloaded, and the run that was opened before is still served: {error}"
                raise ApiError(409, text, param="name", code="reload_failed") from error
            self._models.put(served)
            if old.engine is not None:
                self._start_closing(old.engine)
            self._metrics.reloads.labels(name, "done").inc()
            log("reloaded", model=name, seconds=round(time.perf_counter() - began, 3))
        return served

    def _start_closing(self, engine: TextEngine) -> None:
        """Lets the texts of an engine end, and then frees its memory."""
        task = asyncio.create_task(_close(engine))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def reload_all(self) -> None:
        """All runs, one after the other; the log tells which ones could not be opened."""
        for name in self._models.names:
            try:
                await self.reload(name)
            except ApiError:
                continue  # the log has it
            except Exception as error:
                log("reload failed", logging.ERROR, error=error, model=name)


async def _close(engine: TextEngine) -> None:
    await asyncio.to_thread(engine.close)
    del engine
    gc.unfreeze()  # the parts of a language model refer to each other, so only the garbage collector frees it
    await asyncio.to_thread(_free)


def _free() -> None:
    """Gives memory that nothing uses any more back to the system, which the GNU C library keeps for each thread otherwise."""
    gc.collect()
    with suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
