"""Runs an iterator in a thread, so that its next items are made while the last ones are used."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import TypeVar

T = TypeVar("T")


def read_ahead(items: Iterator[T], most: int = 1) -> Iterator[T]:
    """The items, in order; up to `most` of them wait to be used. An error of theirs is raised in their place."""
    waiting: queue.Queue[tuple[T] | BaseException | None] = queue.Queue(most)
    stopped = threading.Event()

    def work() -> None:
        last: BaseException | None = None
        try:
            for item in items:
                waiting.put((item,))
                if stopped.is_set():
                    return
        except BaseException as error:
            last = error
        waiting.put(last)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while (found := waiting.get()) is not None:
            if isinstance(found, BaseException):
                raise found
            yield found[0]
    finally:
        stopped.set()
        while thread.is_alive():
            while not waiting.empty():
                waiting.get()
            thread.join(0.01)
