"""The interface of text engines, which generate for many requests at once, each at a tradeoff of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from moft.setting_types import Count, NonNegativeCount
from moft.types import Tradeoff

Finish = Literal["stop", "length"]
"""Why a text ended: by a token or a stop string that ends it, or because it had the most tokens that were asked for."""


@dataclass(frozen=True)
class TextEngineSettings:
    """How much a text engine does at once.

    Args:
        rows: texts that are generated together, at most.
        queue: texts that may wait for a place, at most.
        prompt_tokens: tokens of new prompts that are read between two steps of the running texts, at most, but at least one
            prompt; more of them let the running texts wait longer.
        threads: of the CPU; None for those of the run's training, or what is fast for the model.
        in_background: a thread of the engine generates. Without one, texts go on while a stream of them is iterated over, in the
            thread that does so, and nothing is computed in between.
        engine: what generates; refuse what you do not have.
        python: an interpreter for an engine that is a program of its own; None for that of this process.
        options: of that program.
    """

    rows: Count = 32
    queue: NonNegativeCount = 256
    prompt_tokens: Count = 4096
    threads: Count | None = None
    in_background: bool = True
    engine: Literal["transformers", "vllm"] = "transformers"
    python: str | None = None
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class TokenSampling:
    """How the tokens of a text are chosen.

    Args:
        temperature: logits are divided by it before sampling; 0 takes the most likely token. Not the dial of a policy.
        top_k: samples among this many most likely tokens; 0 for all.
        top_p: samples among the most likely tokens whose probabilities sum to this; 1 for all.
        presence_penalty: taken from the logit of every token that the text has already.
        frequency_penalty: taken from the logit of a token as often as the text has it.
        repetition_penalty: divides the positive logits of the tokens of prompt and text, and multiplies the negative ones.
        bias: added to the logits of some tokens; of several tokens in a row, to that of the last one after the others.
        seed: of the random numbers.
        min_p: samples among the tokens that are at least this share as likely as the most likely one; 0 for all.
        typical_p: samples among the tokens that are closest to the expected surprise and sum to this probability; 1 for all.
        epsilon_cutoff: samples among the tokens with at least this probability; 0 for all.
        eta_cutoff: the same with a bound that is lower where many tokens are likely; 0 for all.
        no_repeat_ngram: no run of so many tokens of prompt and text comes twice; 0 for any.
        min_tokens: no token ends the text before it has as many.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0
    bias: Mapping[int | tuple[int, ...], float] = field(default_factory=dict)
    seed: int = 0
    min_p: float = 0.0
    typical_p: float = 1.0
    epsilon_cutoff: float = 0.0
    eta_cutoff: float = 0.0
    no_repeat_ngram: int = 0
    min_tokens: int = 0


@dataclass(frozen=True)
class EncodedPrompt:
    """A prompt as tokens, and how its text begins.

    Args:
        tokens: of the prompt.
        leading_space: spaces that every text begins with, which belong to the prompt and are left out.
        opening: the block that the prompt opens, such as `<think>`; it is the beginning of the text.
    """

    tokens: tuple[int, ...]
    leading_space: str = ""
    opening: str = ""


@dataclass(frozen=True)
class TextRequest:
    """One text to generate.

    Args:
        prompt: that it follows.
        tradeoff: of one row.
        max_tokens: the most tokens.
        sampling: how tokens are chosen.
        sample: number of the text among those of one question, which have the same seed and draw different numbers.
        stop: strings that end the text, and are no part of it.
        logprobs: how many of the likeliest tokens are reported at each place, beside the chosen one; None reports nothing.
    """

    prompt: EncodedPrompt
    tradeoff: Tradeoff
    max_tokens: int
    sampling: TokenSampling = TokenSampling()
    sample: int = 0
    stop: tuple[str, ...] = ()
    logprobs: int | None = None


@dataclass(frozen=True)
class TokenScore:
    """A token and its log-probability under the policy at the dial, before penalties and sampling settings.

    Args:
        token: its number.
        text: as it continues a text; of a part of a character, a replacement character.
        raw: its bytes; None where they are not known.
        logprob: natural logarithm.
    """

    token: int
    text: str
    raw: bytes | None
    logprob: float


@dataclass(frozen=True)
class TextEvent:
    """What one step of a text gave.

    Args:
        token: that was chosen; None for the token that ended the text.
        text: that is certain now; empty while it may be part of a stop string, or while a character is not whole.
        score: of the token, where log-probabilities were asked for.
        likeliest: the likeliest tokens at this place, where they were asked for.
        finish: why the text ended; None while it goes on.
    """

    token: int | None
    text: str
    score: TokenScore | None = None
    likeliest: tuple[TokenScore, ...] = ()
    finish: Finish | None = None


class TextStream(Protocol):
    """The events of one text, in order; iterate over it from a thread or from an event loop. The last event has `finish`."""

    notes: tuple[str, ...]
    """Sentences for the reader of the text, such as that a dial is approximate; known once there is an event."""

    def __iter__(self) -> Iterator[TextEvent]:
        """The events; waits for the next one.

        Raises:
            BusyError: the engine was closed before the text ended.
            RunError: generating failed.
        """
        ...

    def __aiter__(self) -> AsyncIterator[TextEvent]:
        """The same, in an event loop."""
        ...

    def cancel(self) -> None:
        """Frees the place of the text; nothing happens if it has ended. No further event comes."""
        ...


class TextEngine(Protocol):
    """Generates texts, in a thread of its own; its methods may be called from any thread."""

    @property
    def running(self) -> int:
        """Texts that are generated now."""
        ...

    @property
    def waiting(self) -> int:
        """Texts that wait for a place."""
        ...

    @property
    def is_alive(self) -> bool:
        """Whether it takes requests and works on them."""
        ...

    def chat(self, messages: Sequence[Mapping[str, Any]], where: str) -> EncodedPrompt:
        """The prompt of a conversation, rendered as in training.

        Args:
            messages: as in JSON, with role and content.
            where: what messages of errors begin with.

        Raises:
            DataError: a message is malformed, or the run's template rejects the conversation.
        """
        ...

    def chats(self, chats: Sequence[Sequence[Mapping[str, Any]]], places: Sequence[str]) -> list[EncodedPrompt]:
        """The same for several conversations, with the place of each, which is faster."""
        ...

    def text(self, text: str | Sequence[int], where: str) -> EncodedPrompt:
        """A prompt that is text to be continued, or tokens, without a template.

        Raises:
            DataError: there is no token, or a token that the model lacks.
        """
        ...

    def room(self, prompt: EncodedPrompt) -> int | None:
        """Tokens that the model's context leaves for a text; None where it has no limit."""
        ...

    def check(self, request: TextRequest, where: str) -> None:
        """Refuses what cannot be generated.

        Raises:
            DataError: prompt and text exceed the model's context.
            ConfigError: the policy does not support the tradeoff.
        """
        ...

    def submit(self, requests: Sequence[TextRequest]) -> list[TextStream]:
        """Takes all of some checked requests, or none.

        Raises:
            BusyError: too many texts are waiting, or the engine closes.
            DataError: these are more texts than the engine takes at once.
        """
        ...

    def close(self, *, drain: bool = True, timeout: float | None = None) -> None:
        """Takes no further request, and waits for the end of the thread.

        Args:
            drain: ends the texts that it took first; else their streams raise `BusyError`.
            timeout: seconds to drain, at most; None for any time.
        """
        ...


@runtime_checkable
class RoundsWeights(Protocol):
    """A text engine that does not generate at all weights, but at some near them."""

    dials: tuple[float, float]
    """Lowest and highest dial that it generates at, between which wishes are searched."""

    def rounded(self, tradeoff: Tradeoff) -> tuple[Tradeoff, tuple[str, ...]]:
        """The tradeoff of one row that is generated at, and sentences for the client, if it is another one.

        Raises:
            ConfigError: there is none near it, such as for its dial.
        """
        ...
