"""Control tokens in the texts of users: their names are tokenized as text, and only a template can write the tokens."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Literal

from moft import DataError

ControlTokens = Literal["split", "keep"]

_TOKENS = 0x100000  # characters of a private plane of Unicode: one for each control token that a template wrote
_NAMES = 0x108000  # and one for each name of a control token in the text of a user


class SplitText(str):
    """A text in which some names of control tokens are text; as `str`, it is what the template wrote.

    Args:
        text: as the template wrote it.
        protected: the same, with a private character for each control token that is one.
    """

    protected: str

    def __new__(cls, text: str, protected: str) -> SplitText:
        made = super().__new__(cls, text)
        made.protected = protected
        return made


def check_private(text: str, where: str) -> None:
    """Checks that a text of a user, in which control tokens are split, has none of the characters that stand for them.

    Args:
        text: of the user.
        where: its file and line, for messages.

    Raises:
        DataError: it has.
    """
    if text and max(text) >= chr(_TOKENS):
        raise DataError(
            f"{where}: a text has the private character U+{ord(max(text)):X}, so its control tokens cannot be split. Remove it."
        )


class TokenSplitter:
    """Finds the control tokens of a tokenizer in texts, and tokenizes texts in which only some of them are control tokens.

    Control tokens are those that the tokenizer calls special, and those that a template writes.

    Args:
        tokenizer: of the model, a `PreTrainedTokenizerBase`.
        written: added tokens that a template writes.
    """

    def __init__(self, tokenizer: Any, written: Sequence[str] = ()) -> None:
        self._tokenizer = tokenizer
        special = [token.content for token in tokenizer.added_tokens_decoder.values() if token.special]
        self._tokens = list(dict.fromkeys(token for token in (*special, *tokenizer.all_special_tokens, *written) if token))
        longest_first = sorted(self._tokens, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")
        self._numbers = {token: number for number, token in enumerate(self._tokens)}

    @property
    def names(self) -> tuple[str, ...]:
        """Of all control tokens."""
        return tuple(self._tokens)

    def count(self, text: str) -> int:
        """How many names of control tokens a text has."""
        return sum(1 for _ in self._pattern.finditer(text))

    def mark(self, value: Any) -> Any:
        """A text of a user, or JSON with such texts, with every name of a control token replaced by a private character."""
        if isinstance(value, str):
            return self._pattern.sub(lambda found: chr(_NAMES + self._numbers[found[0]]), value)
        if isinstance(value, Mapping):
            return {self.mark(key): self.mark(inner) for key, inner in value.items()}
        return [self.mark(inner) for inner in value] if isinstance(value, list) else value

    def unmarked(self, text: str) -> str:
        """A text with the names that were marked."""
        return text.translate({_NAMES + number: token for number, token in enumerate(self._tokens)})

    def protect(self, text: str) -> str:
        """What a template wrote, with a private character for each control token; marked names are text again."""
        return self.unmarked(self._pattern.sub(lambda found: chr(_TOKENS + self._numbers[found[0]]), text))

    def named(self, protected: str) -> str:
        """A protected text with the names of its control tokens."""
        return protected.translate({_TOKENS + number: token for number, token in enumerate(self._tokens)})

    def name(self, token: int | None) -> str:
        """The name of a control token; empty for other tokens."""
        return next((name for name in self._tokens if self._tokenizer.convert_tokens_to_ids(name) == token), "")

    def token_id(self, character: str) -> int:
        """The number of the token that a private character stands for."""
        return int(self._tokenizer.convert_tokens_to_ids(self._tokens[ord(character) - _TOKENS]))

    def __call__(self, texts: Sequence[str], **settings: Any) -> dict[str, list[list[int]]]:
        """The tokens of protected texts, as a tokenizer returns them, with nothing added.

        Raises:
            DataError: the tokenizer cannot do so.
        """
        encoder, numbers = self._encoder
        named, private = ({encoder.token_to_id(part) for part in parts} - {None} for parts in (self._tokens, self._private))
        rows = []
        for text, encoding in zip(texts, encoder.encode_batch(list(texts), add_special_tokens=False), strict=True):
            wanted = sum(_TOKENS <= ord(character) < _NAMES for character in text)
            if named.intersection(encoding.ids) or sum(number in private for number in encoding.ids) != wanted:
                raise DataError(f"[task.control_tokens] {self._problem}")
            rows.append([numbers.get(number, number) for number in encoding.ids])
        return {"input_ids": rows}

    @property
    def _private(self) -> list[str]:
        """The private characters of the control tokens."""
        return [chr(_TOKENS + number) for number in range(len(self._tokens))]

    @property
    def _problem(self) -> str:
        name = type(self._tokenizer).__name__
        return f"the tokenizer ({name}) cannot read control tokens as text. Set keep, or remove them from the data."

    @cached_property
    def _encoder(self) -> tuple[Any, Mapping[int, int]]:
        """The tokenizer with private characters for its control tokens, and their numbers in it with those of the model."""
        from tokenizers import Tokenizer

        backend = getattr(self._tokenizer, "backend_tokenizer", None)  # only those of the tokenizers library have one
        if not isinstance(backend, Tokenizer):
            raise DataError(f"[task.control_tokens] {self._problem}")
        rules = json.loads(backend.to_str())
        for added in rules["added_tokens"]:
            if added["content"] in self._numbers:
                added["content"] = chr(_TOKENS + self._numbers[added["content"]])
        encoder = Tokenizer.from_str(json.dumps(rules))
        encoder.no_truncation()
        encoder.no_padding()
        known = {token.content: number for number, token in self._tokenizer.added_tokens_decoder.items()}
        known |= {chr(_TOKENS + number): self._tokenizer.convert_tokens_to_ids(token) for token, number in self._numbers.items()}
        places = {content: encoder.token_to_id(content) for content in known if content not in self._numbers}
        return encoder, {place: int(known[content]) for content, place in places.items() if place is not None}
