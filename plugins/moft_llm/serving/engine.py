"""The text engine of language models: all texts are generated together, each at its own weights and dial."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from threading import Thread
from time import monotonic

import torch

from moft import BusyError
from moft.api import TextEngineSettings, TextRequest
from moft_llm.generation.opened_llm_run import LLMRun
from moft_llm.serving.cached_rows import can_join
from moft_llm.serving.event_queue import EventQueue
from moft_llm.serving.row import Row
from moft_llm.serving.running_batch import RunningBatch
from moft_llm.serving.text_queue import STOPPED, TextQueue, failure

log = logging.getLogger("moft.serve")


class BatchedEngine(TextQueue):
    """A `TextEngine` whose texts join and leave running batches, one batch for each model that the policy uses.

    Args:
        run: to generate with; nothing else may use its policy while texts are generated.
        settings: how much is done at once.

    Raises:
        ConfigError: the policy cannot generate text.
    """

    def __init__(self, run: LLMRun, settings: TextEngineSettings) -> None:
        super().__init__(run, settings)
        self._running: list[Row] = []
        self._batches: list[RunningBatch] = []
        self._is_stopped = False
        self._thread = Thread(target=self._work, name="moft-text-engine", daemon=True) if settings.in_background else None
        if self._thread is not None:
            self._thread.start()

    @property
    def is_alive(self) -> bool:
        return not self._is_closing and (self._thread is None or self._thread.is_alive())

    def close(self, *, drain: bool = True, timeout: float | None = None) -> None:
        with self._changed:
            self._is_closing = True
            self._is_stopped = not drain
            self._changed.notify_all()
        if self._thread is None:
            until = monotonic() + (torch.inf if timeout is None else timeout)
            while drain and (self._waiting or self._running) and monotonic() < until:
                self._advance()
            self._fail_all()
            return
        self._thread.join(timeout if drain else None)
        with self._changed:
            self._is_stopped = True
        self._thread.join()

    def _row(self, request: TextRequest) -> Row:
        calls = (self._notify, None) if self._thread is not None else (self._forget, self._advance)
        return Row(request, EventQueue(*calls), self._template.tokenizer)

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _forget(self) -> None:
        """Frees the memory of texts that are all over, when no thread is going to."""
        if all(row.is_over for row in [*self._waiting, *self._running]):
            self._fail_all()

    def _work(self) -> None:
        """The thread: gives rows a place and steps all batches, until the engine is closed."""
        try:
            with torch.no_grad(), self._model.uncompiled():
                while (rows := self._admitted()) is not None:
                    self._step(rows)
        except Exception:  # nothing can be said of the batches any more
            log.exception("the text engine ended")
        finally:
            with self._changed:
                self._is_closing = True
                self._fail_all()

    def _advance(self) -> None:
        """The same for one step, in the thread that waits for a text."""
        try:
            with torch.no_grad(), self._model.uncompiled():
                self._step(self._admitted() or [])
        except BaseException:  # such as Ctrl-C
            self._fail_all()
            raise

    def _step(self, rows: Sequence[Row]) -> None:
        """Gives rows a place, and generates a token of every text."""
        self._begin(rows)
        for batch in self._batches:
            self._guarded(batch.rows, batch.step)
        self._drop()

    def _fail_all(self) -> None:
        """Ends the texts that have not ended, and forgets their batches."""
        for row in [*self._waiting, *self._running]:
            row.fail(BusyError(STOPPED))
        self._waiting.clear()
        self._running, self._batches = [], []

    def _admitted(self) -> list[Row] | None:
        """The next rows that get a place; waits while there is nothing to do. None when the engine is closed."""
        with self._changed:
            while True:
                self._waiting = deque(row for row in self._waiting if not row.is_over)
                if self._is_stopped or (self._is_closing and not self._waiting and not self._running):
                    return None
                if self._waiting or self._running:
                    break
                self._changed.wait()
            rows: list[Row] = []
            tokens = 0
            while self._waiting and len(self._running) < self._settings.rows:
                tokens += len(self._waiting[0].request.prompt.tokens)
                if rows and tokens > self._settings.prompt_tokens:
                    break
                rows.append(self._waiting.popleft())
                self._running.append(rows[-1])
            return rows

    def _begin(self, rows: Sequence[Row]) -> None:
        """Generates the first token of new rows, which join the batch of their model."""
        if not rows or not self._guarded(rows, lambda: self._condition(rows)):
            return
        for model in {id(row.conditioned.model): row.conditioned.model for row in rows}.values():
            own = [row for row in rows if row.conditioned.model is model]
            for group in [own] if can_join(model) else [[row] for row in own]:
                new = RunningBatch(model, self._scores)
                if self._guarded(group, lambda new=new, group=group: new.begin(group)):  # type: ignore[misc]
                    new.drop()
                    self._join(new)

    def _join(self, new: RunningBatch) -> None:
        running = next((one for one in self._batches if one.model is new.model and can_join(new.model)), None)
        if running is None or not new.rows:
            self._batches = [*self._batches, *([new] if new.rows else [])]
        else:
            self._guarded([*running.rows, *new.rows], lambda: running.join(new))

    def _condition(self, rows: Sequence[Row]) -> None:
        for row, conditioned in zip(rows, self._conditioning.at([row.request.tradeoff for row in rows]), strict=True):
            row.condition(conditioned)

    def _drop(self) -> None:
        """Frees the places of texts that are over."""
        for batch in self._batches:
            batch.drop()
        self._batches = [batch for batch in self._batches if batch.rows]
        with self._changed:
            self._running = [row for batch in self._batches for row in batch.rows]

    def _guarded(self, rows: Sequence[Row], act: Callable[[], None]) -> bool:
        """Whether `act` ended well; else it ends the rows with an error, and the others go on."""
        try:
            act()
        except Exception as error:  # such as too little memory for long prompts
            if self._thread is not None:
                log.exception("generating %d texts failed", len(rows))
            told = failure(error)
            for row in rows:
                row.fail(told)
            return False
        return True
