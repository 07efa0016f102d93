"""Truncation of prompts and responses to the length that the model takes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from moft import DataError
from moft_llm.data.chat_template import Template, tokenize_responses
from moft_llm.data.preference_example import Example

CHUNK = 1024
"""Prompts that are tokenized at a time; more need more memory."""


class Truncator:
    """Collects the tokens of prompts and their responses, truncated to their limits.

    Args:
        template: of the prompts, with the tokenizer.
        max_length: tokens of a prompt and one response.
        max_response: tokens of a response, EOS included; None is what the prompt leaves, but at least half of `max_length`.
        eos: token that ends every whole response, or None.
    """

    def __init__(self, template: Template, max_length: int, max_response: int | None, eos: int | None) -> None:
        self._template, self._eos = template, eos
        self._max_length, self._max_response = max_length, max_response
        self.parts: list[Tensor] = []
        self.texts: list[str] = []
        self.prompt_lengths: list[int] = []
        self.response_lengths: list[int] = []
        self.cut_prompts = self.cut_responses = self.identical = 0

    def add(self, examples: Sequence[Example]) -> None:
        """Tokenizes and truncates examples, some at a time.

        Raises:
            DataError: a prompt or a response has no tokens, or truncation would leave nothing of a prompt.
        """
        for start in range(0, len(examples), CHUNK):
            self._add_chunk(examples[start : start + CHUNK])

    def _add_chunk(self, examples: Sequence[Example]) -> None:
        template = self._template
        texts = [template.render(example.prompt, example.where) for example in examples]
        owner = [index for index, example in enumerate(examples) for _ in example.responses]
        responses = tokenize_responses(
            template.tokenizer,
            [texts[index] for index in owner],
            [template.leading_space + response for example in examples for response in example.responses],
        )
        self.texts += texts
        first = 0
        for example, prompt in zip(examples, template.tokenize(texts), strict=True):
            last = first + len(example.responses)
            self._add_example(example, prompt, responses[first:last])
            first = last

    def _add_example(self, example: Example, prompt: list[int], responses: list[list[int]]) -> None:
        limit = self._max_response
        if limit is None:
            limit = max(self._max_length - len(prompt), self._max_length // 2)
        responses = [
            self._truncate_response(tokens, limit, number, example.where) for number, tokens in enumerate(responses, start=1)
        ]
        prompt = self._truncate_prompt(prompt, self._max_length - max(map(len, responses)), example.where)
        self.identical += len({tuple(response) for response in responses}) < len(responses)
        self.prompt_lengths.append(len(prompt))
        self.response_lengths += map(len, responses)
        self.parts.append(torch.tensor([*prompt, *(token for response in responses for token in response)], dtype=torch.int32))

    def _truncate_response(self, tokens: list[int], limit: int, number: int, where: str) -> list[int]:
        """A response with its EOS, or its beginning."""
        if not tokens:
            raise DataError(f"{where}: response {number} has no tokens after tokenization; every response needs one.")
        if self._eos is not None and tokens[-1] != self._eos:
            tokens = [*tokens, self._eos]
        self.cut_responses += len(tokens) > limit
        return tokens[:limit]

    def _truncate_prompt(self, tokens: list[int], room: int, where: str) -> list[int]:
        """The end of a prompt that fits, after its BOS."""
        if not tokens:
            raise DataError(f"{where}: the prompt has no tokens after tokenization; every prompt needs one.")
        if len(tokens) <= room:
            return tokens
        bos = tokens[:1] if tokens[0] == self._template.tokenizer.bos_token_id else []
        if room <= len(bos):
            raise DataError(
                f"{where}: the responses leave {room} of {self._max_length} tokens for the prompt, which is too few. "
                "Set a lower task.max_response."
            )
        self.cut_prompts += 1
        return bos + tokens[len(tokens) - room + len(bos) :]
