"""What every text engine of a run does with prompts: it turns them into tokens, and checks that they can be generated from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from moft import ConfigError, DataError
from moft.api import EncodedPrompt, TextRequest
from moft_llm.data.preference_example import prompt_of
from moft_llm.generation.opened_llm_run import LLMRun
from moft_llm.generation.prompts.prompt_checks import check_context, check_not_empty
from moft_llm.network.base_model import context_length
from moft_llm.serving.conditioning import Conditioning


class PromptReading:
    """Reads prompts as in training; a part of a `TextEngine`.

    Args:
        run: to generate with.

    Raises:
        ConfigError: the policy cannot generate text.
    """

    def __init__(self, run: LLMRun) -> None:
        self._policy = run.opened.policy.eval()
        self._device = next(self._policy.parameters()).device
        self._template = run.task.prompt_template()
        self._plain = replace(self._template, text="none")
        self._conditioning = Conditioning(self._policy)
        with torch.no_grad():
            middle = run.opened.tradeoffs([([1 / len(run.opened.names)] * len(run.opened.names), 1, "weights")])
            probe = self._conditioning.at([middle])[0]
        if probe.model.generation_fault:
            raise ConfigError(probe.model.generation_fault)
        self._model, self._prefix = probe.model, probe.injected.prefix

    def chat(self, messages: Sequence[Mapping[str, Any]], where: str) -> EncodedPrompt:
        """See `TextEngine`."""
        return self.chats([messages], [where])[0]

    def chats(self, chats: Sequence[Sequence[Mapping[str, Any]]], places: Sequence[str]) -> list[EncodedPrompt]:
        """See `TextEngine`."""
        prompts = [prompt_of(messages, where) for messages, where in zip(chats, places, strict=True)]
        found = self._template.tokenize(self._template.render_all(prompts, places))
        return [EncodedPrompt(tuple(tokens), self._template.leading_space, self._template.opening) for tokens in found]

    def text(self, text: str | Sequence[int], where: str) -> EncodedPrompt:
        """See `TextEngine`."""
        if isinstance(text, str):
            (tokens,) = self._plain.tokenize(self._plain.render_all([prompt_of(text, where)], [where]))
        else:
            tokens = list(text)
        check_not_empty([tokens], [where])
        return EncodedPrompt(tuple(tokens))

    def room(self, prompt: EncodedPrompt) -> int | None:
        """See `TextEngine`."""
        limit = context_length(self._model.network.config.get_text_config())
        return None if limit is None else max(0, limit - self.ahead - len(prompt.tokens))

    def check(self, request: TextRequest, where: str) -> None:
        """See `TextEngine`."""
        check_context(self._model, [request.prompt.tokens], self._prefix, request.max_tokens, [where])
        self._policy.magnitude(request.tradeoff.to(self._device))
        rows = self._model.network.get_output_embeddings().weight.shape[0]
        for token in (one for key in request.sampling.bias for one in ((key,) if isinstance(key, int) else key)):
            if not 0 <= token < rows:
                raise DataError(f"{where}: the bias names token {token}, but the model has tokens 0 to {rows - 1}.")

    @property
    def ahead(self) -> int:
        """Soft tokens before every prompt."""
        return 0 if self._prefix is None else self._prefix.shape[1]
