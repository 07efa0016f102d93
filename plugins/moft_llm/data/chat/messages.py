"""The messages of a conversation: every key that the data has, tools, and responses that are more than a text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from moft import DataError
from moft.api import json_of
from moft_llm.data.texts_and_labels import is_visible, one_line, short_repr, text_of


@dataclass(frozen=True)
class Message:
    """One turn of a chat.

    Args:
        role: who speaks, as chat templates call it: system, user, assistant, tool.
        content: the text of the turn, its parts in lines; empty where the data has none.
        more: the other keys, such as `tool_calls`, as a JSON object in the order of the data; empty for none. It has a `content`
            where that of the data is null or text in parts.
    """

    role: str
    content: str
    more: str = ""

    @property
    def keys(self) -> str:
        """The names of the other keys, for messages; empty for none."""
        return ", ".join(key for key in json.loads(self.more or "{}") if key != "content")

    @property
    def has_parts(self) -> bool:
        """Whether the content is text in parts."""
        return bool(self.more) and isinstance(self.fields()["content"], list)

    def joined(self) -> Message:
        """The message with one text as its content."""
        more = {key: value for key, value in json.loads(self.more).items() if key != "content"} if self.has_parts else {}
        return replace(self, more=json.dumps(more, ensure_ascii=False) if more else "") if self.has_parts else self

    def fields(self) -> dict[str, Any]:
        """The message as it is written in JSON."""
        return {"role": self.role, "content": self.content, **(json.loads(self.more) if self.more else {})}


@dataclass(frozen=True)
class ToolPrompt:
    """A chat in which the assistant can call tools.

    Args:
        messages: of the chat.
        tools: as a JSON array.
    """

    messages: tuple[Message, ...]
    tools: str


Prompt = str | tuple[Message, ...] | ToolPrompt

Response = str | Message
"""A text, or a message of the assistant that has more than a content."""


def messages_in(prompt: Prompt) -> tuple[Message, ...]:
    """The messages of a prompt; a text is one of a user."""
    if isinstance(prompt, ToolPrompt):
        return prompt.messages
    return (Message("user", prompt),) if isinstance(prompt, str) else prompt


def tools_in(prompt: Prompt) -> list[Any] | None:
    """The tools of a prompt, as in JSON; None where there are none."""
    tools: list[Any] | None = json.loads(prompt.tools) if isinstance(prompt, ToolPrompt) else None
    return tools


def plain_prompt(prompt: Prompt) -> Prompt:
    """A prompt without tools, and with only the role and the content of its messages."""
    return prompt if isinstance(prompt, str) else tuple(Message(turn.role, turn.content) for turn in messages_in(prompt))


def scorer_prompt(prompt: Prompt) -> str:
    """A prompt as scorers read it: the text, or the last message of a chat."""
    return messages_in(prompt)[-1].content


def only_text(prompt: Prompt) -> str | None:
    """The text of a prompt that is one text, or a chat with one message of a user and nothing else; None of others."""
    if isinstance(prompt, str):
        return prompt
    is_text = not isinstance(prompt, ToolPrompt) and len(prompt) == 1 and prompt[0].role == "user" and not prompt[0].more
    return messages_in(prompt)[0].content if is_text else None


def prompt_json(prompt: Prompt) -> str | list[dict[str, Any]]:
    """A prompt as it is written in JSON, without its tools."""
    return prompt if isinstance(prompt, str) else [message.fields() for message in messages_in(prompt)]


def prompt_record(prompt: Prompt) -> dict[str, Any]:
    """The fields `prompt` and, where there are any, `tools` of a row."""
    tools = tools_in(prompt)
    return {"prompt": prompt_json(prompt)} | ({} if tools is None else {"tools": tools})


def is_blank(prompt: Prompt) -> bool:
    """Whether no message of a prompt holds anything, or the last one of a user does not."""
    messages = messages_in(prompt)
    last = next((message for message in reversed(messages) if message.role == "user"), None)
    return not any(map(_holds_something, messages)) or (last is not None and not _holds_something(last))


def response_text(response: Response) -> str:
    """All text of a response, its other keys as JSON."""
    return response if isinstance(response, str) else response.content + response.more


def prompt_of(value: Any, where: str, tools: Any = None) -> Prompt:
    """A prompt from what a file holds: text, or a list of messages, and tools.

    Args:
        value: of the file.
        where: the file and line, for messages.
        tools: of the file: a list, or its JSON; None for none.

    Raises:
        DataError: it is neither, a chat ends in a message of the assistant, or tools are no list.
    """
    prompt = _chat_of(value, where)
    if isinstance(tools, str):
        tools = json_of(tools, f"{where}: tools") if tools.strip() else None
    if not tools:
        return prompt
    if not isinstance(tools, list | tuple) or not all(isinstance(tool, Mapping) for tool in tools):
        raise DataError(f"{where}: tools is {short_repr(tools)}; it must be a list of objects.")
    return ToolPrompt(messages_in(prompt), json_text(list(tools), "tools", where))


def response_of(value: Any, what: str, where: str) -> Response:
    """A response from what a file holds: text, or one message of the assistant.

    Args:
        value: of the file.
        what: it is, for messages.
        where: the file and line, for messages.

    Raises:
        DataError: it is neither.
    """
    values = [value] if isinstance(value, Mapping) else value
    if not isinstance(values, list | tuple) or not values:
        return text_of(value, what, where)
    messages = messages_of(values, what, where)
    if len(messages) > 1 or messages[0].role != "assistant":
        roles = ", ".join(one_line(message.role) for message in messages[:6])
        raise DataError(
            f"{where}: {what} has {len(messages)} messages ({roles}), but all tokens of a response are trained, so it must be "
            "one message of the assistant. Put those before it, such as calls and results of tools, into the prompt."
        )
    message = messages[0].joined()
    return message if message.more else message.content


def messages_of(values: Sequence[Any], what: str, where: str) -> tuple[Message, ...]:
    """Messages from what a file holds; keys that are null or empty are left out, since tables have them in every row.

    Args:
        values: of the file.
        what: they are, for messages.
        where: the file and line, for messages.

    Raises:
        DataError: one is not of the form `{"role": text, "content": text, ...}`.
    """
    return tuple(_message(value, f"message {number} of {what}", where) for number, value in enumerate(values, start=1))


def json_text(value: Any, what: str, where: str) -> str:
    """A value as JSON that can be encoded.

    Raises:
        DataError: it holds something that JSON has not, or text that cannot be encoded.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise DataError(f"{where}: {what} cannot be written as JSON ({error}).") from error
    return text_of(text, what, where)


def _holds_something(message: Message) -> bool:
    return is_visible(message.content) or message.keys not in ("", "name")


def _chat_of(value: Any, where: str) -> str | tuple[Message, ...]:
    if isinstance(value, str):
        return text_of(value, "prompt", where)
    if not isinstance(value, list | tuple) or not value:
        raise DataError(f"{where}: prompt is {short_repr(value)}; it must be text, or a list of messages with role and content.")
    messages = messages_of(value, "prompt", where)
    if messages[-1].role == "assistant":
        raise DataError(
            f"{where}: the last message of the prompt has the role assistant; the responses must follow another role."
        )
    return messages


def _message(value: Any, what: str, where: str) -> Message:
    calls = isinstance(value, Mapping) and not _is_empty(value.get("tool_calls"))  # such a message needs no content
    if not isinstance(value, Mapping) or not value.keys() >= ({"role"} if calls else {"role", "content"}):
        raise DataError(f"{where}: {what} is {short_repr(value)}; a message is {{role: text, content: text}}.")
    is_null = calls and value.get("content", "") is None
    given = "" if is_null else value.get("content", "")
    parts = _text_parts(given, what, where) if isinstance(given, list | tuple) else []
    content = "\n".join(part["text"] for part in parts) if isinstance(given, list | tuple) else given
    content = text_of(content, f"content of {what}", where)
    more = {key: inner for key, inner in value.items() if key not in ("role", "content") and not _is_empty(inner)}
    if is_null or parts:
        more = {"content": parts or None, **more}
    return Message(text_of(value["role"], f"role of {what}", where), content, json_text(more, what, where) if more else "")


def _is_empty(value: Any) -> bool:
    """Whether a value of JSON holds nothing, however deep."""
    if isinstance(value, Mapping):
        return all(map(_is_empty, value.values()))
    return all(map(_is_empty, value)) if isinstance(value, list | tuple) else value is None or value == ""


def _text_parts(parts: Sequence[Any], what: str, where: str) -> list[dict[str, str]]:
    """The parts of a content, without keys that are null or empty."""
    found = [
        {key: inner for key, inner in part.items() if key == "text" or not _is_empty(inner)}
        for part in parts
        if isinstance(part, Mapping)
    ]
    for part in found if len(found) == len(parts) else [{}]:
        if part.keys() != {"type", "text"} or part["type"] != "text" or not isinstance(part["text"], str):
            raise DataError(
                f"{where}: content of {what} is {short_repr(list(parts))}; it must be text, or parts {{type: text, text: text}}."
            )
    return found
