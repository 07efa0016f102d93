"""Truncation of prompts and responses to the length that the model takes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from moft import DataError
from moft_llm.data.chat.chat_template import Template, TokenizedResponse
from moft_llm.data.chat.control_tokens import SplitText
from moft_llm.data.preference_example import Example

CHUNK = 1024
"""Prompts that are tokenized at a time; more need more memory."""


class Truncator:
    """Collects the tokens of prompts and their responses, truncated to their limits.

    Args:
        template: of the prompts, with the tokenizer.
        max_length: tokens of a prompt and one response.
        max_response: tokens of a response, its end included; None is what the prompt leaves, but at least half of `max_length`.
        adds_end: ends every whole response in the token that the template says.
    """

    def __init__(self, template: Template, max_length: int, max_response: int | None, adds_end: bool) -> None:
        self._template, self._adds_end = template, adds_end
        self._max_length, self._max_response = max_length, max_response
        self.parts: list[Tensor] = []
        self.texts: list[str] = []
        self.prompt_lengths: list[int] = []
        self.response_lengths: list[int] = []
        self.cut_prompts = self.cut_responses = self.identical = self.split_prompts = self.split_responses = 0
        self.closed_responses = self.moved_responses = 0

    def add(self, examples: Sequence[Example]) -> None:
        """Tokenizes and truncates examples, some at a time.

        Raises:
            DataError: a prompt or a response has no tokens, or truncation would leave nothing of a prompt.
        """
        for start in range(0, len(examples), CHUNK):
            self._add_chunk(examples[start : start + CHUNK])

    def _add_chunk(self, examples: Sequence[Example]) -> None:
        template = self._template
        texts = template.render_all([example.prompt for example in examples], [example.where for example in examples])
        self.split_prompts += sum(isinstance(text, SplitText) for text in texts)
        owner = [index for index, example in enumerate(examples) for _ in example.responses]
        responses = template.tokenize_responses(
            [examples[index].prompt for index in owner],
            [texts[index] for index in owner],
            [response for example in examples for response in example.responses],
            [examples[index].where for index in owner],
        )
        self.texts += texts
        first = 0
        for example, prompt in zip(examples, template.tokenize(texts), strict=True):
            last = first + len(example.responses)
            self._add_example(example, prompt, responses[first:last])
            first = last

    def _add_example(self, example: Example, prompt: list[int], tokenized: list[TokenizedResponse]) -> None:
        limit = self._max_response
        if limit is None:
            limit = max(self._max_length - len(prompt), self._max_length // 2)
        responses = [
            self._truncate_response(response, limit, number, example.where) for number, response in enumerate(tokenized, start=1)
        ]
        self.split_responses += sum(response.is_split for response in tokenized)
        self.closed_responses += sum(response.is_closed for response in tokenized)
        self.moved_responses += sum(response.is_moved for response in tokenized)
        prompt = self._truncate_prompt(prompt, self._max_length - max(map(len, responses)), example.where)
        self.identical += len({tuple(response) for response in responses}) < len(responses)
        self.prompt_lengths.append(len(prompt))
        self.response_lengths += map(len, responses)
        self.parts.append(torch.tensor([*prompt, *(token for response in responses for token in response)], dtype=torch.int32))

    def _truncate_response(self, response: TokenizedResponse, limit: int, number: int, where: str) -> list[int]:
        """A response with its end, or its beginning."""
        tokens = response.tokens
        if not tokens:
            raise DataError(f"{where}: response {number} has no tokens after tokenization; every response needs one.")
        if self._adds_end and response.end is not None and tokens[-1] != response.end:
            tokens = [*tokens, response.end]
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
