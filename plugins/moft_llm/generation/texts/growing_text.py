"""A text that is generated token by token: what is certain of it, and why it ended."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from moft.api import EncodedPrompt, Finish
from moft_llm.data.chat.chat_template import whole_response
from moft_llm.generation.decoding import Decoding
from moft_llm.generation.texts.detokenization import detokenize_responses
from moft_llm.generation.texts.text_pieces import TextPieces


class GrowingText:
    """The tokens and the text of a response.

    Args:
        tokenizer: of the model.
        prompt: that it follows.
        stop: texts that end it, and are no part of it.
        most: tokens.
        on_text: called with each piece of the text as soon as it is certain.
    """

    def __init__(
        self,
        tokenizer: Any,
        prompt: EncodedPrompt,
        stop: Sequence[str],
        most: int,
        on_text: Callable[[str], None] | None = None,
    ) -> None:
        self.tokens: list[int] = []
        self.finish: Finish | None = None
        self.is_ended_by_token = False
        self._pieces, self._most, self._on_text = TextPieces(tokenizer, prompt, stop), most, on_text
        self._parts: list[str] = []

    @property
    def text(self) -> str:
        """What is certain so far."""
        return "".join(self._parts)

    def take(self, token: int, ends: Collection[int]) -> str:
        """The text that is certain after one more token; a token of `ends` ends it and is no part of it."""
        self.is_ended_by_token = token in ends
        if self.is_ended_by_token:
            piece, self.finish = self._pieces.end(), "stop"
        else:
            self.tokens.append(token)
            piece = self._pieces.add(token)
            is_long = len(self.tokens) == self._most
            if is_long and not self._pieces.is_stopped:
                piece += self._pieces.end()
            self.finish = "stop" if self._pieces.is_stopped else "length" if is_long else None
        self._parts.append(piece)
        if piece and self._on_text is not None:
            self._on_text(piece)
        return piece


def growing_texts(tokenizer: Any, prompts: Sequence[EncodedPrompt], decoding: Decoding) -> list[GrowingText] | None:
    """A text for each prompt where texts can end responses; None where only tokens can, and `response_texts` finds the text."""
    if not decoding.stop:
        return None
    return [GrowingText(tokenizer, prompt, decoding.stop, decoding.max_new_tokens) for prompt in prompts]


def response_texts(
    tokenizer: Any,
    prompts: Sequence[EncodedPrompt],
    responses: Sequence[Sequence[int]],
    texts: Sequence[GrowingText] | None,
) -> list[str]:
    """The text of each response, with the block that its prompt opens, such as `<think>`.

    Args:
        tokenizer: of the model.
        prompts: one for each response.
        responses: tokens, without one that ended a response.
        texts: as given to `generate`.
    """
    if texts is not None:
        return [text.text for text in texts]
    found = detokenize_responses(tokenizer, [prompt.tokens for prompt in prompts], responses)
    return [whole_response(text, prompt.leading_space, prompt.opening) for text, prompt in zip(found, prompts, strict=True)]
