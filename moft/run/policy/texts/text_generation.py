"""Generates text of a run from Python: each prompt at weights, a dial and settings of its own, at once or in pieces."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from threading import RLock
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import torch
from annotated_types import Ge, Le, MinLen

from moft.engine.choices.wish_settings import WishSettings
from moft.errors import ConfigError
from moft.hooks.plugin_manager import Plugins
from moft.interfaces import (
    GeneratedText,
    TextEngine,
    TextEngineSettings,
    TextEvent,
    TextPiece,
    TextPrompt,
    TextRequest,
    TextSettings,
    TextStream,
)
from moft.run.policy.texts.text_rows import messages_of, plain, prompts_of, rows_of, settings_rows, weights_rows
from moft.setting_types import MOST, Count, Draws, Seed
from moft.types import Tradeoff

if TYPE_CHECKING:
    from moft.run.policy.open_run import OpenedRun

TokenBias: TypeAlias = Mapping[int | tuple[int, ...], float]
"""By token, or by several tokens in a row."""
_BIAS = dict[int | Annotated[tuple[int, ...], MinLen(1)], float] | None
LONGEST = 1024
"""Tokens of a text that may have as many as the context leaves."""


@dataclass(eq=False)
class _Text:
    """A text that is generated.

    Args:
        request: that asks for it.
        place: numbers of its prompt and its sample.
        known: fields of the `GeneratedText` that do not depend on what is generated.
        events: so far.
    """

    request: TextRequest
    place: tuple[int, int]
    known: dict[str, Any]
    events: list[TextEvent] = field(default_factory=list)

    def whole(self, notes: tuple[str, ...]) -> GeneratedText:
        """The text, after its last event."""
        taken = [event for event in self.events if event.token is not None]
        scored = [event for event in taken if event.score is not None]
        return GeneratedText(
            **self.known | {"notes": (*self.known["notes"], *notes)},
            text="".join(event.text for event in self.events),
            finish=self.events[-1].finish or "length",
            tokens=tuple(event.token for event in taken if event.token is not None),
            logprobs=tuple(event.score for event in scored if event.score is not None),
            likeliest=tuple(event.likeliest for event in scored) if self.request.logprobs else (),
        )


class TextGeneration:
    """Generates text: `run.generate(...)` gives whole texts, `run.generate.stream(...)` pieces.

    Args:
        run: of a language model.
    """

    def __init__(self, run: OpenedRun) -> None:
        self._run = run
        self._made: tuple[TextEngine, int] | None = None
        self._lock = RLock()

    def __call__(self, prompts: TextPrompt | Iterable[TextPrompt], weights: Any = None, **more: Any) -> list[GeneratedText]:
        """The responses to one prompt or several; those to the first prompt come first.

        Args:
            prompts: a text, a chat (a list of messages), or a list of these.
            weights: as for `stream`.
            more: every other argument of `stream`.

        Raises:
            ConfigError, DataError: as for `stream`.
        """
        pieces = [piece for piece in self.stream(prompts, weights, **more) if piece.whole is not None]
        return [piece.whole for piece in sorted(pieces, key=lambda one: (one.prompt, one.sample)) if piece.whole is not None]

    def stream(
        self,
        prompts: TextPrompt | Iterable[TextPrompt],
        weights: Any = None,
        *,
        dial: Any = None,
        system: str | Sequence[str | None] | None = None,
        samples: int = 1,
        seed: int | Sequence[int] = 0,
        logprobs: int | None = None,
        bias: TokenBias | Sequence[TokenBias | None] | None = None,
        batch: int = 32,
        threads: int | None = None,
        **settings: Any,
    ) -> Iterator[TextPiece]:
        """Pieces of the responses, as soon as they are certain; each text ends with a piece that has the `whole`.

        Weights, `dial`, `system`, `seed`, `bias` and settings have one value for all prompts, or a list with one for each.

        Args:
            prompts: a text, a chat (a list of messages), or a list of these. They are rendered as in training.
            weights: numbers by objective, where those left out have weight 0; numbers in the order of the objectives; the name of
                a choice of the run; a `WishSettings`, answered from what was measured; or a `Tradeoff`.
            dial: factor on the trained betas; None for 1. Factors that differ between objectives are given by name.
            system: a message of the system before the prompt, where the template takes one.
            samples: responses to each prompt.
            seed: of the random numbers, which also depend on the place of the text among all. With a list of seeds, a prompt has
                the texts that it has alone.
            logprobs: reports the log-probability of each token, and so many of the likeliest ones at its place, 20 at most.
            bias: added to the logits of tokens, by their numbers; of several tokens in a row, to that of the last one after the
                others.
            batch: texts that are generated together.
            threads: of the CPU; None for those of the run's training, or one for a small model.
            settings: of a `TextSettings`, such as `max_new_tokens=100`, `stop=["\\n"]` or `greedy=True`. `max_new_tokens=None` is
                what the context leaves, 1,024 at most.

        Raises:
            ConfigError: an argument is wrong, or the run generates no text.
            DataError: a prompt is wrong, or does not fit into the context with its response.
        """
        given = prompts_of(prompts)
        rows = settings_rows(settings, len(given))
        copies = rows_of("samples", samples, 1, Draws)[0]
        if copies > 1 and any(row.greedy for row in rows):
            raise ConfigError(f"samples: {copies} greedy responses to a prompt would be identical; leave one of the two out.")
        reported = rows_of("logprobs", logprobs, 1, Annotated[int, Ge(0), Le(20)] | None)[0]
        window = rows_of("batch", batch, 1, Count)[0]
        texts = self._texts(
            given,
            rows,
            self._tradeoffs(weights, dial, len(given)),
            systems=rows_of("system", system, len(given), str | None),
            seeds=rows_of("seed", seed, len(given), Seed),
            biases=rows_of("bias", bias, len(given), _BIAS),
            copies=copies,
            is_seed_for_each=isinstance(plain(seed), list),
            reported=reported,
        )
        given_threads = rows_of("threads", threads, 1, Annotated[int, Ge(1), Le(1024)] | None)[0]
        return self._pieces(texts, window, given_threads or self._engine()[1])

    def _texts(
        self,
        prompts: Sequence[TextPrompt],
        rows: Sequence[TextSettings],
        steered: Sequence[tuple[Tradeoff, tuple[str, ...]]],
        *,
        systems: Sequence[str | None],
        seeds: Sequence[int],
        biases: Sequence[TokenBias | None],
        copies: int,
        is_seed_for_each: bool,
        reported: int | None,
    ) -> list[_Text]:
        """The texts of a call, checked."""
        engine, texts = self._engine()[0], []
        places = [f"prompt {number}" for number in range(1, len(prompts) + 1)]
        chats = [messages_of(*each) for each in zip(prompts, systems, places, strict=True)]
        asked = zip(prompts, rows, steered, seeds, places, engine.chats(chats, places), strict=True)
        for number, (prompt, row, (tradeoff, notes), seed, where, encoded) in enumerate(asked):
            most = row.max_new_tokens
            if most == MOST:
                room = engine.room(encoded)
                most = max(1, LONGEST if room is None else min(room, LONGEST))
            sampling, known = replace(row, max_new_tokens=most).sampling(seed, biases[number]), self._steered(tradeoff)
            for copy in range(copies):
                sample = copy if is_seed_for_each else number * copies + copy
                request = TextRequest(encoded, tradeoff, most, sampling, sample, row.stop, reported)
                if copy == 0:
                    engine.check(request, where)
                own = {**known, "prompt": prompt, "seed": seed, "sample": copy, "notes": notes}
                texts.append(_Text(request, (number, copy), own))
        return texts

    def _tradeoffs(self, weights: Any, dial: Any, count: int) -> list[tuple[Tradeoff, tuple[str, ...]]]:
        """For each prompt a tradeoff of one row, and what there is to know of it; warns where other trained weights serve it."""
        found: list[tuple[Tradeoff, tuple[str, ...]]]
        if isinstance(weights, Tradeoff):
            if dial is not None:
                raise ConfigError("dial: a Tradeoff has betas of its own; leave the dial out.")
            if len(weights) not in (1, count):
                raise ConfigError(
                    f"weights: a Tradeoff of {len(weights)} rows for {count} prompts; give one row, or one for each."
                )
            whole = weights.checked().expand(count)
            found = [(whole.select(torch.tensor([row])), ()) for row in range(count)]
        else:
            dials = plain(dial)
            dials = dials if isinstance(dials, list) else [dials] * count
            if len(dials) != count:
                raise ConfigError(f"dial: {len(dials)} values for {count} prompts; give one for all, or one for each.")
            pairs = list(zip(weights_rows(weights, count, self._run.names), dials, strict=True))
            found = [self._tradeoff(*pair, f"weights of prompt {number}") for number, pair in enumerate(pairs, start=1)]
        others = [self._run.substitutions(one) for one, _ in found]
        for sentence in dict.fromkeys(sentence for each in others for sentence in each):
            warnings.warn(sentence, stacklevel=4)
        return [(one, (*notes, *more)) for (one, notes), more in zip(found, others, strict=True)]

    def _tradeoff(self, weights: Any, dial: Any, where: str) -> tuple[Tradeoff, tuple[str, ...]]:
        if not isinstance(weights, WishSettings):
            try:
                return self._run.tradeoffs([(weights, dial, where)], where), ()
            except ConfigError as error:
                raise ConfigError(str(error).replace("--dial", "dial")) from error
        if dial is not None:
            raise ConfigError(f"{where}: a wish finds a dial of its own; leave the dial out.")
        choice = self._run.predicted_choice(self._run.measured_outcomes(), **weights.record())
        note = f"Predicted from what was measured on the {choice.split} split, and not promised."
        if choice.missed:
            note = f"No tradeoff is predicted to keep {', '.join(choice.missed)}; this one comes nearest. {note}"
        return self._run.tradeoffs([(list(choice.weights), choice.dial, where)], where), (note,)

    def _steered(self, tradeoff: Tradeoff) -> dict[str, Any]:
        """Weights and dial as a `GeneratedText` has them."""
        names = self._run.names
        weights = [round(value, 6) for value in tradeoff.weights[0].tolist()]
        dials = [round(value, 6) for value in (tradeoff.betas / self._run.trained_betas)[0].tolist()]
        by_name: Any = dict(zip(names, dials, strict=True))
        return {"weights": dict(zip(names, weights, strict=True)), "dial": dials[0] if len(set(dials)) == 1 else by_name}

    def _pieces(self, texts: Sequence[_Text], window: int, threads: int) -> Iterator[TextPiece]:
        """Generates so many texts together; each next one begins when one has ended."""
        engine, _ = self._engine()
        waiting = deque(texts)
        running: list[tuple[_Text, TextStream]] = []
        try:
            while waiting or running:
                with self._lock, _threads(threads):
                    new = [waiting.popleft() for _ in range(min(len(waiting), window - len(running)))]
                    running += list(zip(new, engine.submit([text.request for text in new]), strict=True))
                for text, stream in list(running):
                    with self._lock, _threads(threads):
                        event = next(iter(stream))
                    text.events.append(event)
                    if event.finish is not None:
                        running.remove((text, stream))
                    if event.text or event.finish is not None:
                        yield TextPiece(*text.place, event.text, None if event.finish is None else text.whole(stream.notes))
        finally:
            for _, stream in running:
                stream.cancel()

    def _engine(self) -> tuple[TextEngine, int]:
        """What generates, and with how many threads of the CPU; made once.

        Raises:
            ConfigError: nothing generates text of the run, or its policy cannot.
        """
        with self._lock:
            if self._made is None:
                plugins = self._run.plugins
                if plugins is None:
                    plugins = Plugins()
                    plugins.load()
                settings = TextEngineSettings(rows=MOST, queue=0, in_background=False)
                with _threads(torch.get_num_threads()):
                    hooks = plugins.implementations("moft_text_engine")
                    engines = (hook(run=self._run, settings=settings) for hook in hooks)
                    engine: TextEngine | None = next((one for one in engines if one is not None), None)
                    self._made = None if engine is None else (engine, torch.get_num_threads())
            if self._made is None:
                raise ConfigError(f"{self._run.folder.path}: no plugin generates text of a run of this task; use `scores`.")
            return self._made


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """So many threads of the CPU within the block; afterwards as many as before."""
    before = torch.get_num_threads()
    try:
        if count != before:
            torch.set_num_threads(count)
        yield
    finally:
        if torch.get_num_threads() != before:
            torch.set_num_threads(before)
