"""How a command ends when it is interrupted by Ctrl-C, SIGTERM or SIGHUP: in order, saying what is kept and how to go on."""

from __future__ import annotations

import os
import shlex
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

SIGNALS = (signal.SIGTERM, signal.SIGHUP)
"""That end a command as Ctrl-C does, unless whoever started it has it ignore them, as nohup does."""
PATIENCE = 10.0
"""Seconds in which a second one of these signals does not disturb what the first one began."""
NOTHING = "Nothing was written yet."
_heeded: list[list[int]] = []  # what the running command received, if there is one


class Interrupted(BaseException):
    """A command was interrupted.

    Args:
        kept: a sentence on what is kept.
        more: options with which the same command goes on.
    """

    def __init__(self, kept: str, more: tuple[str, ...] = ()) -> None:
        super().__init__(kept)
        self.kept, self.more = kept, more


@contextmanager
def when_interrupted(kept: Callable[[], str], *more: str) -> Iterator[None]:
    """A block whose interruption is told with what is kept.

    Args:
        kept: gives a sentence; called after the block has ended.
        more: options with which the same command goes on.

    Raises:
        Interrupted: the block raised KeyboardInterrupt.
    """
    try:
        yield
    except KeyboardInterrupt as error:
        raise Interrupted(kept(), more) from error


@contextmanager
def heeding_signals() -> Iterator[list[int]]:
    """A block in which SIGTERM and SIGHUP raise KeyboardInterrupt; gives the signals received. Within another, the same."""
    if _heeded:
        yield _heeded[0]
        return
    received: list[int] = []
    began = 0.0

    def interrupt(number: int, _: Any) -> None:
        nonlocal began
        if not received or time.monotonic() - began > PATIENCE:
            began = time.monotonic()
            received.append(number)
            raise KeyboardInterrupt

    before = {}
    if threading.current_thread() is threading.main_thread():  # only it can handle signals
        known = {number: signal.getsignal(number) for number in SIGNALS}
        before = {number: handler for number, handler in known.items() if handler not in (signal.SIG_IGN, None)}
    try:
        _heeded.append(received)
        for number in before:
            signal.signal(number, interrupt)
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _heeded.clear()


def interruption(received: Sequence[int], kept: str, words: Sequence[str]) -> tuple[str, int]:
    """What is told of an interrupt, and the exit code.

    Args:
        received: signals other than that of Ctrl-C.
        kept: a sentence, or empty where nothing is known.
        words: of the command that goes on.
    """
    number = received[0] if received else signal.SIGINT
    by = f" by {signal.Signals(number).name}" if received else ""
    launched = ", launched in the same way," if os.environ.get("WORLD_SIZE", "1") != "1" else ""
    what = f"{kept} Go on" if kept else "Start over"
    text = f" {what}{launched} with: {shlex.join(['moft', *words])}" if words else ""
    return f"interrupted{by}.{text}", 128 + number
