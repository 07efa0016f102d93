"""Rewrites requests: objective weights go in, embeddings of the prompt and the name of an adapter come out."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import torch
from torch import Tensor

from moft_vllm.errors import RequestError
from moft_vllm.policy import Policy
from moft_vllm.prompts import EMBEDDED, Prompts
from moft_vllm.tradeoffs import FIELDS, Tradeoff, Tradeoffs

COMPLETIONS, CHAT = "/v1/completions", "/v1/chat/completions"
_PLACEHOLDER = "<prompt_embeds>"
"""What vLLM reads as a place for embeddings where they are switched on."""
_WITHOUT_TOKENS = ("echo", "suffix", "prompt_logprobs", "truncate_prompt_tokens", "continue_final_message", "use_beam_search")
"""What vLLM cannot do for prompts that are embeddings, or what would cut off the soft tokens."""


@dataclass(frozen=True)
class Rewritten:
    """A request for vLLM.

    Args:
        body: its JSON; None for the request as it came.
        tradeoff: that it is served at; None for the base model.
        adapter: the name of the adapter that it needs; None where all tradeoffs share one, or there is none.
    """

    body: bytes | None
    tradeoff: Tradeoff | None
    adapter: str | None


class Requests:
    """Rewrites the requests for one policy.

    Args:
        policy: that is served.
        tradeoffs: reads their weights.
        prompts: reads their prompts.
    """

    def __init__(self, policy: Policy, tradeoffs: Tradeoffs, prompts: Prompts) -> None:
        self._policy, self._tradeoffs, self._prompts = policy, tradeoffs, prompts

    def rewritten(self, path: str, content: bytes, longest: int | None = None) -> Rewritten:
        """A request for vLLM.

        Args:
            path: `COMPLETIONS` or `CHAT`.
            content: JSON of the client.
            longest: tokens that the context has; None where it is not known.

        Raises:
            RequestError: it is not allowed, or asks for what is not available.
        """
        body = _parsed(content)
        if body.get("prompt_embeds") is not None:
            raise RequestError("prompt_embeds: embeddings are not accepted; send text, and objective weights.", "prompt_embeds")
        tradeoff = self._tradeoffs.of(body)
        if path == CHAT:
            self._prompts.check_messages(body.get("messages"))
        if tradeoff is None:
            if self._policy.prefix_length and _PLACEHOLDER in json.dumps(body, ensure_ascii=False):
                raise RequestError(f"the request has {_PLACEHOLDER!r}, which stands for something else on this server.")
            return self._for_base(path, body)
        new = {name: value for name, value in body.items() if name not in FIELDS}
        new["model"] = adapter = self._policy.record["name"]
        if self._policy.has_gates:
            new["model"] = adapter = f"{adapter}:{tradeoff.label}"
        elif self._policy.record["lora"] is None:
            new["model"] = self._policy.record["base_name"]
        if body.get("ignore_eos") is not True:
            new["stop_token_ids"] = _with(body.get("stop_token_ids"), self._policy.record["end_tokens"])
        if self._policy.prefix_length:
            self._embed(path, new, tradeoff, longest)
        elif path == CHAT and self._policy.record["template"]["kind"] == "format":
            self._prompts.of_chat(body)
            new["add_special_tokens"] = True
        return Rewritten(json.dumps(new).encode(), tradeoff, adapter if self._policy.has_gates else None)

    def _for_base(self, path: str, body: Mapping[str, Any]) -> Rewritten:
        """A request for the base model; beside adapters, as one that changes nothing: on a CPU, rows without any get the last."""
        new, adapter = dict(body), None
        if path == CHAT and self._policy.record["template"]["kind"] == "format":
            new.setdefault("add_special_tokens", True)
        if self._policy.has_gates:
            new["model"] = adapter = f"{self._policy.record['base_name']}:base"
        return Rewritten(None if new == body else json.dumps(new).encode(), None, adapter)

    def _embed(self, path: str, body: dict[str, Any], tradeoff: Tradeoff, longest: int | None) -> None:
        """Puts embeddings, with the soft tokens before them, in the place of the prompt."""
        for name in _WITHOUT_TOKENS:
            if body.get(name) not in (None, False, 0) or (name in ("prompt_logprobs", "suffix") and body.get(name) is not None):
                raise RequestError(f"{name}: is not available for this policy, since soft tokens precede its prompts.", name)
        if body.get("add_generation_prompt") is False:
            raise RequestError("add_generation_prompt: must be true for this policy.", "add_generation_prompt")
        if path == COMPLETIONS:
            prompts = self._prompts.of_completion(body.pop("prompt", None))
            body["prompt_embeds"] = [self._data(tradeoff, tokens, "prompt", longest) for tokens in prompts]
            return
        data = self._data(tradeoff, self._prompts.of_chat(body), "messages", longest)
        body["messages"] = [{"role": EMBEDDED, "content": [{"type": "prompt_embeds", "data": data}]}]

    def _data(self, tradeoff: Tradeoff, tokens: list[int], where: str, longest: int | None) -> str:
        """A prompt and its soft tokens, as vLLM reads tensors."""
        length = self._policy.prefix_length + len(tokens)
        if longest is not None and length >= longest:
            told = f"{where}: {len(tokens)} tokens, after {self._policy.prefix_length} soft tokens, leave no room for an answer"
            raise RequestError(f"{told} in the context of {longest}.", where, code="context_length_exceeded")
        return _encoded(self._policy.embedded(tradeoff.weights, tokens))


def _encoded(tensor: Tensor) -> str:
    buffer = io.BytesIO()
    torch.save(tensor, buffer)
    return base64.b64encode(buffer.getvalue()).decode()


def _with(given: object, ends: list[int]) -> list[Any]:
    """Tokens that end an answer: those of the request, and the policy's."""
    if given is None:
        return list(ends)
    if not isinstance(given, list):
        raise RequestError("stop_token_ids: must be a list of tokens.", "stop_token_ids")
    return [*given, *(token for token in ends if token not in given)]


def _parsed(content: bytes) -> Mapping[str, Any]:
    """The JSON object of a body."""

    def refuse(text: str) -> NoReturn:
        raise ValueError(f"{text} is not a number in JSON")

    try:
        body = json.loads(content, parse_constant=refuse)
        json.dumps(body, ensure_ascii=False).encode()  # refuses half of a character, which no tokenizer takes
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else " ".join(str(error).split())[:120]
        raise RequestError(f"the body is not JSON ({reason}).") from error
    if not isinstance(body, dict):
        raise RequestError("the body must be a JSON object.")
    return body
