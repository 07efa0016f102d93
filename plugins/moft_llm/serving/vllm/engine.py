"""The text engine on vLLM: a vLLM of its own, started with the exported run and supervised, generates all texts."""

from __future__ import annotations

import atexit
import logging
import math
import time
from contextlib import suppress
from textwrap import shorten
from threading import Thread

from moft import BusyError, ConfigError, DataError, MoftError
from moft.api import EncodedPrompt, TextEngineSettings, TextRequest, TokenSampling, Tradeoff
from moft_llm.generation.opened_llm_run import LLMRun
from moft_llm.generation.prepare_model import end_tokens
from moft_llm.serving.event_queue import EventQueue
from moft_llm.serving.row import Row
from moft_llm.serving.text_queue import STOPPED, TextQueue, failure
from moft_llm.serving.vllm.completion import Completion, unused_tokens
from moft_llm.serving.vllm.launch import prepare
from moft_llm.serving.vllm.served_weights import ServedWeights
from moft_llm.serving.vllm.supervisor import FIRST_WAIT, Supervisor

log = logging.getLogger("moft.serve")

COLDEST = 0.01
"""The lowest sampling temperature of vLLM above 0."""


class VLLMEngine(TextQueue):
    """A `TextEngine` that sends tokens to a vLLM and takes its tokens. It waits until the first vLLM is up.

    Args:
        run: to generate with; its weights are gone from memory afterwards.
        settings: how much is done at once, and what is started.
        first_wait: seconds before a vLLM that ended is started again for the first time.

    Raises:
        ConfigError: vLLM cannot be given the policy, or it did not come up.
        RunError: the exported folder cannot be written.
    """

    dials = (1.0, 1.0)
    """See `RoundsWeights`."""

    def __init__(self, run: LLMRun, settings: TextEngineSettings, first_wait: float = FIRST_WAIT) -> None:
        super().__init__(run, settings)
        self._launch = prepare(run, settings)
        atexit.register(self._launch.remove)  # where nobody closes the engine
        self._weights = ServedWeights(self._policy, self._launch.record, self._launch.steps)
        self._ends, self._unused = end_tokens(self._model), unused_tokens(self._model.unused_rows)
        self._running: dict[Row, Completion] = {}
        for value in self._model.network.parameters():
            with suppress(RuntimeError):  # memory that is a file
                value.untyped_storage().resize_(0)
        self._supervisor = Supervisor(self._launch, first_wait)
        try:
            self._supervisor.wait()
            if self._supervisor.failure:
                told = shorten(self._supervisor.failure, 400, placeholder=" ...")
                raise ConfigError(f"--engine vllm: vLLM did not start; {told}. Its lines in the log say more.")
        except BaseException:
            self.close(drain=False)
            raise

    @property
    def is_alive(self) -> bool:
        return self._supervisor.server is not None and not self._is_closing

    def room(self, prompt: EncodedPrompt) -> int | None:
        own = None if self._longest is None else self._longest - self.ahead - len(prompt.tokens)
        known = [one for one in (super().room(prompt), own) if one is not None]
        return max(0, min(known)) if known else None

    def check(self, request: TextRequest, where: str) -> None:
        super().check(request, where)
        self._weights.check_dial(request.tradeoff)
        size, sampling = self.ahead + len(request.prompt.tokens) + request.max_tokens, request.sampling
        if self._longest is not None and size > self._longest:
            raise DataError(
                f"{where}: {len(request.prompt.tokens)} prompt tokens, {self.ahead} prefix tokens and {request.max_tokens} new "
                f"tokens exceed the {self._longest} of vLLM (--max-model-len). Shorten the prompt, or generate fewer new tokens."
            )
        if 0 < sampling.temperature < COLDEST:
            raise DataError(f"temperature: {sampling.temperature:g} is not available on vLLM; give 0, or at least {COLDEST}.")
        if sampling.repetition_penalty != 1 and self.ahead:
            raise DataError(
                "repetition_penalty: vLLM does not see the tokens of the prompt after a prefix, so only 1 is available here; "
                "presence_penalty and frequency_penalty are."
            )

        plain = TokenSampling()
        for name in ("typical_p", "epsilon_cutoff", "eta_cutoff", "no_repeat_ngram"):
            if getattr(sampling, name) != getattr(plain, name):
                raise DataError(f"{name}: is not available on vLLM; --engine transformers has it.")
        if not all(isinstance(key, int) for key in sampling.bias):
            raise DataError("bias: vLLM takes single tokens, not several in a row; --engine transformers takes both.")

    def rounded(self, tradeoff: Tradeoff) -> tuple[Tradeoff, tuple[str, ...]]:
        """See `RoundsWeights`."""
        return self._weights.rounded(tradeoff)

    def close(self, *, drain: bool = True, timeout: float | None = None) -> None:
        until = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            self._is_closing = True
            while drain and (self._running or self._waiting):
                if not self._changed.wait(None if until is None else max(0.0, until - time.monotonic())):
                    break
            left = [*self._waiting, *self._running]
            self._waiting.clear()
            for row in left:
                row.fail(BusyError(STOPPED))
                self._close(row)
        self._supervisor.stop()
        self._launch.remove()
        atexit.unregister(self._launch.remove)

    @property
    def _longest(self) -> int | None:
        server = self._supervisor.server
        return None if server is None else server.longest

    def _row(self, request: TextRequest) -> Row:
        stream = EventQueue(lambda: self._cancelled(row))
        row = Row(request, stream, self._template.tokenizer)
        return row

    def _cancelled(self, row: Row) -> None:
        with self._changed:
            if row in self._waiting:
                self._waiting.remove(row)
                self._changed.notify_all()
            self._close(row)

    def _close(self, row: Row) -> None:
        if (completion := self._running.get(row)) is not None:
            completion.close()

    def _check_open(self) -> None:
        super()._check_open()
        if self._supervisor.server is None:
            raise self._gone()

    def _take_up(self) -> None:
        """Gives waiting texts a place, each with a thread; the lock is held."""
        while self._waiting and len(self._running) < self._settings.rows:
            row = self._waiting.popleft()
            place = self._weights.place(row.request.tradeoff)
            self._running[row] = Completion(row, place, self._ends, self._unused, self._scores)
            Thread(target=self._generate, args=[row, self._running[row]], name="moft-vllm-text", daemon=True).start()

    def _generate(self, row: Row, completion: Completion) -> None:
        try:
            server = self._supervisor.server
            if server is None:
                raise self._gone()
            completion.run(server)
        except BusyError as error:
            self._supervisor.doubt()
            row.fail(BusyError(str(error), self._supervisor.seconds))
        except MoftError as error:
            row.fail(error)
        except Exception as error:
            log.exception("generating a text failed")
            row.fail(failure(error))
        finally:
            with self._changed:
                self._running.pop(row, None)
                self._take_up()
                self._changed.notify_all()

    def _gone(self) -> BusyError:
        seconds = self._supervisor.seconds
        return BusyError(f"vLLM ended and is started again; send the request again in {math.ceil(seconds)} s.", seconds)
