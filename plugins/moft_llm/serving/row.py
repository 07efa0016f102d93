"""A text that is generated: its request, its tokens so far, and what its next token is drawn with."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from moft.api import Finish, TextEvent, TextRequest, generator_for
from moft_llm.generation.decoding import Decoding
from moft_llm.generation.opened_llm_run import APPROXIMATE
from moft_llm.serving.conditioning import Conditioned
from moft_llm.serving.event_queue import EventQueue
from moft_llm.serving.text_pieces import TextPieces
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
        sampling = request.sampling
        self.request, self.stream = request, stream
        self.tokens: list[int] = []
        self.is_ended = False
        self.decoding = Decoding(
            greedy=sampling.temperature == 0,
            sampling_temperature=sampling.temperature or 1.0,
            top_k=sampling.top_k,
            top_p=sampling.top_p,
        )
        self._pieces = TextPieces(tokenizer, request.prompt, request.stop)
        self._draws: Tensor | None = None

    def condition(self, conditioned: Conditioned) -> None:
        """Gives it the policy at its tradeoff."""
        self.conditioned = conditioned
        self.stream.notes = (APPROXIMATE,) if conditioned.is_approximate else ()

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

    def take(self, token: int, is_end: bool, scores: PlaceScores | None) -> None:
        """Adds a token, or ends the text with it, and puts an event."""
        if is_end:
            self.is_ended = True
            self.stream.put(TextEvent(None, self._pieces.end(), finish="stop"))
            return
        self.tokens.append(token)
        text = self._pieces.add(token)
        is_long = len(self.tokens) == self.request.max_tokens
        if is_long and not self._pieces.is_stopped:
            text += self._pieces.end()
        self.is_ended = is_long or self._pieces.is_stopped
        finish: Finish | None = "stop" if self._pieces.is_stopped else "length" if is_long else None
        chosen, likeliest = (None, ()) if scores is None else scores
        self.stream.put(TextEvent(token, text, chosen, likeliest, finish))

    def fail(self, error: Exception) -> None:
        """Ends the text with an error."""
        if not self.is_ended:
            self.is_ended = True
            self.stream.put(error)
