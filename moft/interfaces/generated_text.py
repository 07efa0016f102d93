"""What generating gives: whole texts with what they were steered to, and pieces of them while they are generated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from moft.interfaces.text_engine import Finish, TokenScore

TextPrompt: TypeAlias = str | Sequence[Mapping[str, Any]]
"""Text, or a chat: messages with role and content, as in OpenAI's API."""


@dataclass(frozen=True)
class GeneratedText:
    """A response to a prompt.

    Args:
        prompt: as it was given.
        text: of the response.
        weights: of the objectives, by name.
        dial: factor on the trained betas; by objective where it differs.
        finish: `stop`, by a token or a text that ends it, or `length`, with the most tokens that were asked for.
        tokens: of the response; those of a text that ended it are there too, as far as they were generated.
        seed: of its random numbers.
        sample: its number among the responses to the prompt, from 0.
        logprobs: of each token under the policy at the dial, where they were asked for.
        likeliest: the likeliest tokens at each place, where they were asked for.
        notes: sentences for the reader, such as that a dial is approximate in generated text.
    """

    prompt: TextPrompt
    text: str
    weights: Mapping[str, float]
    dial: float | Mapping[str, float]
    finish: Finish
    tokens: tuple[int, ...]
    seed: int
    sample: int
    logprobs: tuple[TokenScore, ...] = ()
    likeliest: tuple[tuple[TokenScore, ...], ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class TextPiece:
    """A piece of a text; the pieces of several texts alternate.

    Args:
        prompt: number of the prompt, from 0.
        sample: number of the text among the responses to the prompt, from 0.
        text: that follows the pieces before; empty in a last piece that only says that the text ended.
        whole: the text, in its last piece.
    """

    prompt: int
    sample: int
    text: str
    whole: GeneratedText | None = None
