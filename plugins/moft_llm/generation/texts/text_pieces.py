"""The text of a response that is generated token by token, in pieces that no later token changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from moft.api import EncodedPrompt

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
"""What a tokenizer writes for a part of a character."""

CONTEXT = 16
"""Tokens at a prompt's end that decide how its response is decoded."""


class TextPieces:
    """The text that a response adds to its prompt, as `detokenize_responses` gives it, up to the first stop string.

    Args:
        tokenizer: of the model.
        prompt: that the response follows.
        stop: strings that end the text, and are no part of it.
    """

    def __init__(self, tokenizer: Any, prompt: EncodedPrompt, stop: Sequence[str]) -> None:
        self._decode = tokenizer.decode
        self._tokens = list(prompt.tokens[-CONTEXT:])
        self._first, self._next = 0, len(self._tokens)  # the window that is decoded again, and what is not given out yet
        self._space, self._opening = prompt.leading_space, prompt.opening
        self._stop = tuple(stop)
        self._held = ""
        self.is_stopped = False
        """Whether there was a stop string."""

    def add(self, token: int) -> str:
        """The text that is certain after one more token."""
        self._tokens.append(token)
        text = self._decoded()
        if not text or text.endswith(REPLACEMENT):  # a part of a character
            return ""
        self._first, self._next = self._next, len(self._tokens)
        return self._certain(text, is_last=False)

    def end(self) -> str:
        """The text that was not certain before the end."""
        return self._certain(self._decoded(), is_last=True)

    def _decoded(self) -> str:
        """The text of the tokens that were not given out, as it continues what is before."""
        before, whole = (self._text(self._tokens[self._first : last]) for last in (self._next, None))
        return whole[len(before) :] if whole.startswith(before) else self._text(self._tokens[self._next :])

    def _text(self, tokens: Sequence[int]) -> str:
        text: str = self._decode(list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text

    def _certain(self, text: str, *, is_last: bool) -> str:
        """What can be given out of held and new text."""
        text = self._held + text
        self._held = ""
        if self._space:
            if not is_last and len(text) < len(self._space) and self._space.startswith(text):
                self._held = text
                return ""
            text, self._space = text.removeprefix(self._space), ""
        found = [place for one in self._stop if (place := text.find(one)) >= 0]
        if found:
            text, self.is_stopped = text[: min(found)], True
        elif not is_last:
            kept = len(text) - max((_overlap(text, one) for one in self._stop), default=0)
            text, self._held = text[:kept], text[kept:]
        opening, self._opening = (self._opening, "") if text or is_last or self.is_stopped else ("", self._opening)
        return opening + text


def _overlap(text: str, stop: str) -> int:
    """The length of the longest end of a text that begins a stop string."""
    return next((size for size in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:size])), 0)
