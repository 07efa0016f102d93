"""Prompts of requests as the tokens that the policy was trained to read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from moft_vllm.errors import RequestError

EMBEDDED = "moft-embedded"
"""The role of the one message that holds a whole prompt as embeddings. No request can send it."""

MOST_PROMPTS = 64
"""In one request; each becomes embeddings in memory."""


class Prompts:
    """Turns prompts into tokens, as the run's template does.

    Args:
        template: of the run: `kind`, which is `chat` for the tokenizer's own chat template, else `format` with the texts `before`
            and `after` the prompt; `adds_begin`, whether the token of the begin is put before a text; `control_tokens`, names
            that were text in training, which cannot be done here.
        tokenizer: of the policy.
        rows: of the embeddings; tokens are below it.
    """

    def __init__(self, template: Mapping[str, Any], tokenizer: Any, rows: int | None) -> None:
        self._template, self._tokenizer, self._rows = template, tokenizer, rows

    def of_completion(self, prompt: object) -> list[list[int]]:
        """The tokens of each prompt of a completion: texts as they are, or tokens.

        Raises:
            RequestError: it is neither text nor tokens, nor several of them.
        """
        if isinstance(prompt, str):
            return [self._of_text(prompt)]
        if isinstance(prompt, list) and prompt:
            if not isinstance(prompt[0], int) and len(prompt) > MOST_PROMPTS:
                raise RequestError(f"prompt: {len(prompt)} prompts in one request, of at most {MOST_PROMPTS}.", "prompt")
            if all(isinstance(each, str) for each in prompt):
                return [self._of_text(each) for each in prompt]
            several = prompt if all(isinstance(each, list) for each in prompt) else [prompt]
            if all(each and all(self._is_token(token) for token in each) for each in several):
                return [list(each) for each in several]
        raise RequestError("prompt: must be a text, a list of texts, or tokens of the model.", "prompt")

    def of_chat(self, body: Mapping[str, Any]) -> list[int]:
        """The tokens of the messages of a chat, up to where the answer begins.

        Raises:
            RequestError: the template does not take them.
        """
        messages = [_plain(message) for message in body["messages"]]
        if self._template["kind"] == "format":
            if len(messages) != 1:
                told = f"messages: this policy was trained on single prompts; give one message, not {len(messages)}."
                raise RequestError(told, "messages")
            text = messages[0]["content"]
            return self._of_text(f"{self._template['before']}{text}{self._template['after']}")
        options = body.get("chat_template_kwargs") or {}
        if not isinstance(options, Mapping):
            raise RequestError("chat_template_kwargs: must be an object.", "chat_template_kwargs")
        options = {key: value for key, value in options.items() if key != "chat_template"}
        try:
            rendered = self._tokenizer.apply_chat_template(
                messages, **{**options, "tools": body.get("tools"), "tokenize": False, "add_generation_prompt": True}
            )
        except Exception as error:  # raised by a template of any content
            reason = " ".join(str(error).split())[:200]
            raise RequestError(f"messages: the chat template does not take them ({reason}).", "messages") from error
        return self._tokens(rendered)

    def check_messages(self, messages: object) -> None:
        """Checks that messages have text only, and no name of a control token where the run reads these as text.

        Raises:
            RequestError: there is none, or one is otherwise.
        """
        if not isinstance(messages, list) or not messages:
            raise RequestError("messages: must be a list with at least one message.", "messages")
        for message in messages:
            if not isinstance(message, Mapping) or not isinstance(message.get("role"), str) or message["role"] == EMBEDDED:
                raise RequestError("messages: each must be an object with a role, such as user, and content.", "messages")
            for text in _texts(message.get("content")):
                found = [token for token in self._template["control_tokens"] if token in text]
                if found:
                    told = f"messages: {found[0]!r} is a control token, which a text cannot have on this server."
                    raise RequestError(told, "messages")

    def _of_text(self, text: str) -> list[int]:
        begin = [self._tokenizer.bos_token_id] if self._template["adds_begin"] else []
        tokens = self._tokens(text)
        return tokens if tokens[:1] == begin else [*begin, *tokens]

    def _tokens(self, text: str) -> list[int]:
        found: Sequence[int] = self._tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        return list(found)

    def _is_token(self, token: object) -> bool:
        is_number = isinstance(token, int) and not isinstance(token, bool)
        return is_number and 0 <= token < (self._rows or len(self._tokenizer))  # type: ignore[operator]


def _texts(content: object) -> list[str]:
    """The texts of a message.

    Raises:
        RequestError: it has something else than texts.
    """
    if content is None:
        return []
    if isinstance(content, str):
        return [content]
    texts: list[str] = []
    for part in content if isinstance(content, list) else [None]:
        known = part if isinstance(part, Mapping) else {}
        text = known.get("text")
        if known.get("type") != "text" or not isinstance(text, str) or set(known) - {"type", "text", "cache_control"}:
            raise RequestError("messages: content must be text, or a list of parts of the type text.", "messages")
        texts.append(text)
    return texts


def _plain(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message as chat templates expect it: with its content as one text, and arguments of tools as an object."""
    plain = deepcopy(dict(message))
    plain["content"] = "\n".join(_texts(message.get("content")))
    calls = plain.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        function = call.get("function") if isinstance(call, Mapping) else None
        if isinstance(function, dict) and isinstance(function.get("arguments"), str):
            try:
                function["arguments"] = json.loads(function["arguments"])
            except ValueError:
                raise RequestError("messages: arguments of tool_calls must be JSON.", "messages") from None
    return plain
