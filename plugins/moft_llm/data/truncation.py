"""Tokens of prompts and responses, cut to the length that a model is given."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from moft import DataError
from moft_llm.data.chat_template import Template, continued
from moft_llm.data.example import Example

CHUNK = 1024
"""Lists that are tokenized at a time; memory for their texts grows with it."""


class Cutter:
    """Gathers the tokens of lists, cut to their limits.

    Args:
        template: of the prompts, with the tokenizer.
        most: tokens of a prompt and one response.
        most_response: tokens of a response, EOS included; None is what the prompt leaves, half of `most` at least.
        eos: what every whole response ends in, or None.
    """

    def __init__(self, template: Template, most: int, most_response: int | None, eos: int | None) -> None:
        self._template, self._most, self._most_response, self._eos = template, most, most_response, eos
        self.parts: list[Tensor] = []
        self.texts: list[str] = []
        self.prompt_lengths: list[int] = []
        self.response_lengths: list[int] = []
        self.cut_prompts = self.cut_responses = self.alike = 0

    def add(self, examples: Sequence[Example]) -> None:
        """Tokenizes lists, some at a time.

        Raises:
            DataError: a prompt or a response has no tokens, or nothing of a prompt would stay.
        """
        for start in range(0, len(examples), CHUNK):
            self._add_some(examples[start : start + CHUNK])

    def _add_some(self, examples: Sequence[Example]) -> None:
        template = self._template
        texts = [template.rendered(example.prompt, example.where) for example in examples]
        owner = [index for index, example in enumerate(examples) for _ in example.responses]
        assignments = continued(
            template.tokenizer,
            [texts[index] for index in owner],
            [template.lead + response for example in examples for response in example.responses],
        )
        self.texts += texts
        first = 0
        for example, prompt in zip(examples, template.tokens(texts), strict=True):
            own = assignments[first : first + len(example.responses)]
            first += len(example.responses)
            self._add_list(example, prompt, own)

    def _add_list(self, example: Example, prompt: list[int], assignments: list[list[int]]) -> None:
        limit = max(self._most - len(prompt), self._most // 2) if self._most_response is None else self._most_response
        responses = [
            self._response(assignment, limit, number, example.where) for number, assignment in enumerate(assignments, start=1)
        ]
        prompt = self._prompt(prompt, self._most - max(map(len, responses)), example.where)
        self.alike += len({tuple(response) for response in responses}) < len(responses)
        self.prompt_lengths.append(len(prompt))
        self.response_lengths += map(len, responses)
        self.parts.append(torch.tensor([*prompt, *(token for response in responses for token in response)], dtype=torch.int32))

    def _response(self, tokens: list[int], limit: int, number: int, where: str) -> list[int]:
        """A response with its EOS, or cut."""
        if not tokens:
            raise DataError(f"{where}: the tokenizer makes no token of response {number}; every response needs one.")
        if self._eos is not None and tokens[-1] != self._eos:
            tokens = [*tokens, self._eos]
        self.cut_responses += len(tokens) > limit
        return tokens[:limit]

    def _prompt(self, tokens: list[int], room: int, where: str) -> list[int]:
        """The end of a prompt that fits, after the BOS that it begins with."""
        if not tokens:
            raise DataError(f"{where}: the tokenizer makes no token of the prompt; a response needs one to follow.")
        if len(tokens) <= room:
            return tokens
        begin = tokens[:1] if tokens[0] == self._template.tokenizer.bos_token_id else []
        if room <= len(begin):
            raise DataError(
                f"{where}: of {self._most} tokens the responses leave {room} for the prompt, so nothing of it would stay."
            )
        self.cut_prompts += 1
        return begin + tokens[len(tokens) - room + len(begin) :]
