"""The two forms of answers: messages of a chat and plain texts, whole or in pieces."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from moft.api import TextEvent, TokenScore

LOWEST = -9999.0
"""Stands for a log-probability of minus infinity, which JSON has not."""


class Form(ABC):
    """The form of an answer to one request, whose texts have the numbers 0, 1, ..."""

    prefix: ClassVar[str]
    """Of ids."""
    kind: ClassVar[str]
    """Of whole answers."""
    piece_kind: ClassVar[str]
    """Of pieces."""

    @abstractmethod
    def choice(self, index: int, events: Sequence[TextEvent]) -> dict[str, Any]:
        """A whole text."""

    @abstractmethod
    def piece(self, index: int, event: TextEvent) -> dict[str, Any]:
        """A piece of a text."""

    def first_piece(self, index: int) -> dict[str, Any] | None:
        """What comes before the first piece of a text."""
        return None


class ChatForm(Form):
    """Messages of the assistant."""

    prefix, kind, piece_kind = "chatcmpl-", "chat.completion", "chat.completion.chunk"

    def choice(self, index: int, events: Sequence[TextEvent]) -> dict[str, Any]:
        message = {"role": "assistant", "content": "".join(event.text for event in events), "refusal": None}
        return {"index": index, "message": message, "logprobs": _chat_scores(events), "finish_reason": events[-1].finish}

    def piece(self, index: int, event: TextEvent) -> dict[str, Any]:
        delta = {"content": event.text} if event.text else {}
        return {"index": index, "delta": delta, "logprobs": _chat_scores([event]), "finish_reason": event.finish}

    def first_piece(self, index: int) -> dict[str, Any]:
        delta = {"role": "assistant", "content": "", "refusal": None}
        return {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}


class CompletionForm(Form):
    """Plain texts."""

    prefix, kind, piece_kind = "cmpl-", "text_completion", "text_completion"

    def __init__(self) -> None:
        self._offsets: dict[int, int] = {}  # characters of the tokens so far, by text

    def choice(self, index: int, events: Sequence[TextEvent]) -> dict[str, Any]:
        text = "".join(event.text for event in events)
        return {"index": index, "text": text, "logprobs": self._scores(index, events), "finish_reason": events[-1].finish}

    def piece(self, index: int, event: TextEvent) -> dict[str, Any]:
        return {"index": index, "text": event.text, "logprobs": self._scores(index, [event]), "finish_reason": event.finish}

    def _scores(self, index: int, events: Sequence[TextEvent]) -> dict[str, Any] | None:
        scored = [(event.score, event.likeliest) for event in events if event.score is not None]
        if not scored:
            return None
        offsets = []
        for score, _ in scored:
            offsets.append(self._offsets.get(index, 0))
            self._offsets[index] = offsets[-1] + len(score.text)
        return {
            "tokens": [score.text for score, _ in scored],
            "token_logprobs": [_finite(score) for score, _ in scored],
            "top_logprobs": [{one.text: _finite(one) for one in (*likeliest, score)} for score, likeliest in scored],
            "text_offset": offsets,
        }


def _chat_scores(events: Sequence[TextEvent]) -> dict[str, Any] | None:
    content = [
        {**_score(event.score), "top_logprobs": [_score(one) for one in event.likeliest]}
        for event in events
        if event.score is not None
    ]
    return {"content": content, "refusal": None} if content else None


def _score(score: TokenScore) -> dict[str, Any]:
    raw = None if score.raw is None else list(score.raw)
    return {"token": score.text, "logprob": _finite(score), "bytes": raw}


def _finite(score: TokenScore) -> float:
    return max(score.logprob, LOWEST)
