"""What every text engine of a run does with requests: it takes them while there is room, and their texts wait for a place."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Collection, Sequence
from textwrap import shorten
from threading import Condition

from moft import BusyError, DataError, RunError
from moft.api import TextEngineSettings, TextRequest, TextStream
from moft_llm.generation.opened_llm_run import LLMRun
from moft_llm.serving.prompt_reading import PromptReading
from moft_llm.serving.row import Row
from moft_llm.serving.token_scores import TokenScores

STOPPED = "the server stopped before the text ended."
"""What ends the texts of an engine that is closed."""


class TextQueue(PromptReading, ABC):
    """Takes requests; a part of a `TextEngine`.

    Args:
        run: to generate with.
        settings: how much is done at once.

    Raises:
        ConfigError: the policy cannot generate text.
    """

    _running: Collection[Row]
    """Those that have a place."""

    def __init__(self, run: LLMRun, settings: TextEngineSettings) -> None:
        super().__init__(run)
        self._settings = settings
        self._scores = TokenScores(self._template.tokenizer)
        self._changed = Condition()
        self._waiting: deque[Row] = deque()
        self._is_closing = False

    @property
    def running(self) -> int:
        """See `TextEngine`."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """See `TextEngine`."""
        return len(self._waiting)

    def submit(self, requests: Sequence[TextRequest]) -> list[TextStream]:
        """See `TextEngine`."""
        most = self._settings.rows + self._settings.queue
        if len(requests) > most:
            raise DataError(
                f"{len(requests)} texts are more than the {most} that the server generates and keeps waiting at once."
            )
        rows = [self._row(one) for one in requests]
        with self._changed:
            self._check_open()
            if len(self._running) + len(self._waiting) + len(rows) > most:
                raise BusyError(
                    f"{len(self._waiting)} texts are waiting already, of at most {self._settings.queue}; try again later."
                )
            self._waiting.extend(rows)
            self._take_up()
        return [row.stream for row in rows]

    @abstractmethod
    def _row(self, request: TextRequest) -> Row:
        """The row of a new text."""

    def _check_open(self) -> None:
        """Refuses texts while none are taken.

        Raises:
            BusyError: none are.
        """
        if self._is_closing:
            raise BusyError("the server is stopping and takes no further request.")

    def _take_up(self) -> None:
        """Has waiting texts generated, once there is room; the lock is held."""
        self._changed.notify_all()


def failure(error: Exception) -> RunError:
    """What a text ends with where generating it failed."""
    told = RunError(f"generating failed: {shorten(f'{type(error).__name__}: {error}', 200, placeholder=' ...')}")
    told.__cause__ = error
    return told
