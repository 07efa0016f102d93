"""Log-probabilities of chosen and likely tokens, with the text and the bytes of each token."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from torch import Tensor

from moft.api import TokenScore

PlaceScores = tuple[TokenScore, tuple[TokenScore, ...]]
"""The score of a chosen token, and those of the likeliest ones at its place."""

_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")


class TokenScores:
    """Scores tokens of one tokenizer.

    Args:
        tokenizer: of the model.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        anchor = tokenizer("a", add_special_tokens=False)["input_ids"]
        self._anchor: list[int] = anchor
        self._before = self._decoded(anchor)
        self._written = cache(self._text_and_bytes)

    def at(self, logits: Tensor, token: int, count: int) -> PlaceScores:
        """The scores of a chosen token and of the `count` likeliest ones; `logits` is `[vocabulary]`."""
        logprobs = logits.log_softmax(-1)
        values, tokens = logprobs.topk(count)
        likeliest = [self._score(*pair) for pair in zip(tokens.tolist(), values.tolist(), strict=True)]
        return self._score(token, float(logprobs[token])), tuple(likeliest)

    def of(self, logprobs: Mapping[int, float], token: int, count: int) -> PlaceScores:
        """The scores of a chosen token and of the `count` likeliest ones; `logprobs` has these, by token."""
        likeliest = sorted(logprobs, key=lambda one: -logprobs[one])[:count]
        return self._score(token, logprobs[token]), tuple(self._score(one, logprobs[one]) for one in likeliest)

    def _score(self, token: int, logprob: float) -> TokenScore:
        return TokenScore(token, *self._written(token), logprob)

    def _text_and_bytes(self, token: int) -> tuple[str, bytes | None]:
        """The text of a token as it continues another one, and its bytes."""
        whole = self._decoded([*self._anchor, token])
        text = whole.removeprefix(self._before) or self._decoded([token])
        written = str(self._tokenizer.convert_ids_to_tokens(token))
        if "\N{REPLACEMENT CHARACTER}" not in text:
            return text, text.encode()
        if (found := _BYTE.fullmatch(written)) is not None:
            return text, bytes.fromhex(found[1])
        table = _byte_table()
        return text, bytes(table[one] for one in written) if set(written) <= set(table) else None

    def _decoded(self, tokens: Sequence[int]) -> str:
        text: str = self._tokenizer.decode(list(tokens), skip_special_tokens=False, clean_up_tokenization_spaces=False)
        return text


@cache
def _byte_table() -> dict[str, int]:
    """The byte that each character of a token stands for, in tokenizers of bytes: visible Latin-1 is itself, the rest follows."""
    shown = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    hidden = [value for value in range(256) if value not in shown]
    return {chr(value): value for value in shown} | {chr(256 + place): value for place, value in enumerate(hidden)}
