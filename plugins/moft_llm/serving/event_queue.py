"""The events of one text, put by the thread of an engine, taken by a thread or an event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from threading import Condition

from moft.api import TextEvent


class EventQueue:
    """A `TextStream`.

    Args:
        on_cancel: called when the text is cancelled.
        advance: generates more, where no thread does; called when an event is waited for.
    """

    def __init__(self, on_cancel: Callable[[], None], advance: Callable[[], None] | None = None) -> None:
        self.notes: tuple[str, ...] = ()
        self.is_cancelled = False
        self._on_cancel, self._advance = on_cancel, advance
        self._items: deque[TextEvent | Exception] = deque()
        self._changed = Condition()
        self._is_over = False
        self._waiter: tuple[asyncio.AbstractEventLoop, asyncio.Future[None]] | None = None

    def put(self, item: TextEvent | Exception) -> None:
        """Adds an event; or an error, which ends the stream and is raised there."""
        with self._changed:
            if not self.is_cancelled:
                self._items.append(item)
                self._wake()

    def cancel(self) -> None:
        with self._changed:
            self.is_cancelled = self._is_over = True
            self._items.clear()
            self._wake()
        self._on_cancel()

    def __iter__(self) -> Iterator[TextEvent]:
        return self

    def __next__(self) -> TextEvent:
        while True:
            with self._changed:
                if self._items:
                    return self._taken()
                if self._is_over:
                    raise StopIteration
                if self._advance is None:
                    self._changed.wait()
                    continue
            self._advance()

    def __aiter__(self) -> AsyncIterator[TextEvent]:
        return self

    async def __anext__(self) -> TextEvent:
        while True:
            with self._changed:
                if self._items:
                    return self._taken()
                if self._is_over:
                    raise StopAsyncIteration
                if self._advance is None:
                    loop = asyncio.get_running_loop()
                    future: asyncio.Future[None] = loop.create_future()
                    self._waiter = loop, future
            if self._advance is None:
                await future
            else:
                self._advance()
                await asyncio.sleep(0)  # so that the loop's other tasks go on

    def _taken(self) -> TextEvent:
        item = self._items.popleft()
        if isinstance(item, Exception):
            self._is_over = True
            raise item
        self._is_over = self._is_over or item.finish is not None
        return item

    def _wake(self) -> None:
        self._changed.notify_all()
        if self._waiter is not None:
            (loop, future), self._waiter = self._waiter, None
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(_finish, future)


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
