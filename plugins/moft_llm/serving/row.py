"""A text that is generated: its request, its tokens so far, and what its next token is drawn with."""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from moft.api import TextEvent, TextRequest, generator_for
from moft_llm.generation.opened_llm_run import APPROXIMATE
from moft_llm.generation.texts.growing_text import GrowingText
from moft_llm.serving.conditioning import Conditioned
from moft_llm.serving.event_queue import EventQueue
from moft_llm.serving.token_scores import PlaceScores


class Row:
    """A text that waits for a place, or has one.

    Args:
        request: that asks for it.
        stream: that its events are put into.
        tokenizer: of the model.
    """

    conditioned: Conditioned
    """The policy at its tradeoff; set when it gets a place."""

    def __init__(self, request: TextRequest, stream: EventQueue, tokenizer: Any) -> None:
        self.request, self.stream = request, stream
        self.is_ended = False
        self._tokenizer = tokenizer
        self._draws: Tensor | None = None

    def condition(self, conditioned: Conditioned) -> None:
        """Gives it the policy at its tradeoff."""
        self.conditioned = conditioned
        self.stream.notes = (APPROXIMATE,) if conditioned.is_approximate else ()

    @cached_property
    def _text(self) -> GrowingText:
        return GrowingText(self._tokenizer, self.request.prompt, self.request.stop, self.request.max_tokens)

    @property
    def tokens(self) -> list[int]:
        """That it has so far."""
        return self._text.tokens

    @property
    def is_over(self) -> bool:
        """Whether its place is free."""
        return self.is_ended or self.stream.is_cancelled

    @property
    def draw(self) -> Tensor:
        """`[1]` float64, what its next token is drawn with: the numbers of `moft generate` for the same seed and place."""
        if self._draws is None:
            generator = generator_for(self.request.sampling.seed, "generate", self.request.sample)
            self._draws = torch.rand(self.request.max_tokens, generator=generator, dtype=torch.float64)
        return self._draws[len(self.tokens)].unsqueeze(0)

    def take(self, token: int, ends: Collection[int], scores: PlaceScores | None) -> None:
        """Adds a token, or ends the text with it, and puts an event."""
        piece = self._text.take(token, ends)
        self.is_ended = self._text.finish is not None
        chosen, likeliest = (None, ()) if scores is None else scores
        self.stream.put(TextEvent(None if token in ends else token, piece, chosen, likeliest, self._text.finish))

    def fail(self, error: Exception) -> None:
        """Ends the text with an error."""
        if not self.is_ended:
            self.is_ended = True
            self.stream.put(error)
