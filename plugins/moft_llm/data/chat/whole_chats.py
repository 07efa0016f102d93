"""Whole conversations, with every key of their messages and their tools, as a chat template writes them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from moft import DataError
from moft.api import Chat, ChatFault, render_chats
from moft_llm.data.chat.control_tokens import SplitText, TokenSplitter, check_private
from moft_llm.data.chat.messages import Message, Prompt, messages_in, tools_in
from moft_llm.data.chat.turn_end import TurnEnd
from moft_llm.data.texts_and_labels import short_repr

ROLES = ("system", "developer", "user", "assistant", "tool", "function", "ipython", "environment")
"""Of messages; a chat template may name others."""

OF_RESULTS = ("tool_call_id", "name")
"""Keys that a template may leave out of results of tools: they only say which call and tool a result belongs to."""


@dataclass(frozen=True)
class Continuation:
    """A message as it continues its prompt.

    Args:
        text: without the end of the turn.
        end: the token that ends it, or None.
        is_moved: has the end of reasoning, but not its beginning, so that the template makes reasoning of what is before.
    """

    text: str
    end: int | None
    is_moved: bool = False


class ChatRenderer:
    """Writes chats by the chat template of a tokenizer.

    Args:
        tokenizer: with a chat template.
        splitter: finds control tokens.
        is_splitting: control tokens in messages are text.
        is_whole: all keys and tools are written; else only role and content, as in moft 0.2.0.
        now: what a template that asks for the time is told; None is the time of each call.
    """

    def __init__(
        self, tokenizer: Any, splitter: TokenSplitter, *, is_splitting: bool, is_whole: bool, now: datetime | None = None
    ) -> None:
        self._tokenizer, self._splitter, self._now = tokenizer, splitter, now
        self._is_splitting, self._is_whole = is_splitting, is_whole
        self._source = str(getattr(tokenizer, "chat_template", ""))

    def render(self, prompts: Sequence[Prompt], places: Sequence[str]) -> list[str]:
        """Prompts up to where the answer begins; a `SplitText` where a message has the name of a control token.

        Raises:
            DataError: a role is unknown; or the template raises an error, does not end, or drops a part of a prompt.
        """
        if self._is_whole:
            for prompt, where in zip(prompts, places, strict=True):
                self._check_roles(prompt, where)
        chats = [
            self._chat(messages, prompt, where)
            for messages, prompt, where in zip(self._messages(prompts, places), prompts, places, strict=True)
        ]
        rendered = self._rendered([marked for marked, _ in chats])
        texts = [_text(text, where, "prompt") for text, where in zip(rendered, places, strict=True)]
        self._check_parts([marked for marked, _ in chats], texts, places)
        return [
            SplitText(self._splitter.unmarked(text), self._splitter.protect(text)) if is_split else text
            for text, (_, is_split) in zip(texts, chats, strict=True)
        ]

    def continuations(
        self, prompts: Sequence[Prompt], starts: Sequence[str], messages: Sequence[Message], places: Sequence[str], end: TurnEnd
    ) -> list[Continuation | None]:
        """Messages of the assistant as they continue their prompts, without the end of the turn.

        None stands for a text that the template rejects, changes in more than white space, or does not write after the prompt.

        Args:
            prompts: one for each message.
            starts: the prompts as rendered.
            messages: of the assistant; a text has a content only.
            places: the file and line of each.
            end: of a turn. A message that ends otherwise, as calls of tools may, has the token that the template writes.

        Raises:
            DataError: the template does not end; or for a message that is more than a text, it raises an error, drops a part of
                the message, or writes the prompt differently before it.
        """
        marked = [
            self._chat((*before, message), prompt, where)
            for before, prompt, message, where in zip(self._messages(prompts, places), prompts, messages, places, strict=True)
        ]
        chats = [Chat(chat.messages, chat.tools, opens_answer=False) for chat, _ in marked]
        wholes = [
            ""
            if isinstance(whole, ChatFault) and whole.kind == "rejected" and not message.more
            else _text(whole, where, "response")
            for whole, message, where in zip(self._rendered(chats), messages, places, strict=True)
        ]
        more = [row for row, message in enumerate(messages) if message.more]
        self._check_parts(
            [chats[row] for row in more],
            [wholes[row] for row in more],
            [places[row] for row in more],
            first=[len(chats[row].messages) - 1 for row in more],
        )
        found: list[Continuation | None] = []
        for start, whole, message, where, (_, is_split) in zip(starts, wholes, messages, places, marked, strict=True):
            body = self._after(start, whole) if message.more else self._text_after(start, whole, message.content, end)
            if message.more and body is None:
                raise DataError(
                    f"{where}: the chat template writes this prompt differently when a message with more than a content follows, "
                    "so the message is no continuation that can be trained."
                )
            if body is None:
                found.append(None)
                continue
            body, token = self._without_end(body, end, is_text=not message.more)
            is_moved = not message.more and _is_moved(message.content, body, end)
            found.append(Continuation(body if is_split else str(body), token, is_moved))
        return found

    def _after(self, start: str, whole: str) -> SplitText | None:
        """What a template wrote after a rendered prompt; None where it wrote the prompt differently."""
        text, protected = self._splitter.unmarked(whole), self._splitter.protect(whole)
        before = start.protected if isinstance(start, SplitText) else self._splitter.protect(start)
        is_there = text.startswith(start) and protected.startswith(before)
        return SplitText(text[len(start) :], protected[len(before) :]) if is_there else None

    def _text_after(self, start: str, whole: str, text: str, end: TurnEnd) -> SplitText | None:
        """What a template wrote after a prompt, where that is the text of a response, and closes what the prompt has opened."""
        body, closing = self._after(start, whole), ""
        if body is None and start.endswith(end.left_out) and not end.opens_block(text):
            body, closing = self._after(self._without(start, end.left_out), whole), end.closing
        if body is None or not body.protected.endswith(self._splitter.protect(end.text)) or not _is_written(text, body, end):
            return None
        if closing and end.closes_block(text):
            return None
        return SplitText(closing + body, self._splitter.protect(closing) + body.protected)

    def _without(self, start: str, end: str) -> str:
        """A rendered prompt without what it ends in."""
        if not isinstance(start, SplitText):
            return start.removesuffix(end)
        return SplitText(start.removesuffix(end), start.protected.removesuffix(self._splitter.protect(end)))

    def _without_end(self, body: SplitText, end: TurnEnd, is_text: bool) -> tuple[SplitText, int | None]:
        after = self._splitter.protect(end.text)
        if is_text or (after and body.protected.endswith(after)):
            return SplitText(body.removesuffix(end.text), body.protected.removesuffix(after)), end.token
        last = re.search(r"([\U00100000-\U00107fff])\s*$", body.protected)
        if last is None:
            return SplitText(body.rstrip(), body.protected.rstrip()), end.token
        return SplitText(self._splitter.named(last.string[: last.start()]), last.string[: last.start()]), self._splitter.token_id(
            last[1]
        )

    def _check_roles(self, prompt: Prompt, where: str) -> None:
        """Checks that each role is a usual one, or one that the chat template names."""
        for number, message in enumerate(messages_in(prompt), start=1):
            if message.role not in ROLES and f"'{message.role}'" not in self._source.replace('"', "'"):
                raise DataError(
                    f"{where}: message {number} of the prompt has the role {short_repr(message.role)}, which the chat template "
                    f"does not name; roles are {', '.join(ROLES)}."
                )

    def _rendered(self, chats: Sequence[Chat]) -> list[str | ChatFault]:
        return render_chats(self._tokenizer, chats, self._now)

    def _messages(self, prompts: Sequence[Prompt], places: Sequence[str]) -> list[tuple[Message, ...]]:
        """The messages of each prompt, with text in parts where the template writes all of them, else as one text."""
        found = [messages_in(prompt) for prompt in prompts]
        rows = [row for row, messages in enumerate(found) if any(message.has_parts for message in messages)]
        chats = [self._chat(found[row], prompts[row], places[row])[0] for row in rows]
        for row, chat, text in zip(rows, chats, self._rendered(chats), strict=True):
            contents = [message["content"] for message in chat.messages]
            if not all(_writes(text, parts) for parts in contents if isinstance(parts, list)):
                found[row] = tuple(message.joined() for message in found[row])
        return found

    def _chat(self, messages: Sequence[Message], prompt: Prompt, where: str) -> tuple[Chat, bool]:
        """A chat with its control tokens marked, and whether there are any."""
        if not self._is_whole:
            return Chat([{"role": message.role, "content": message.content} for message in messages]), False
        chat = Chat([message.fields() for message in messages], tools_in(prompt))
        if not self._is_splitting:
            return chat, False
        marked = Chat(self._splitter.mark(chat.messages), self._splitter.mark(chat.tools))
        if marked == chat:
            return chat, False
        check_private(json.dumps([chat.messages, chat.tools], ensure_ascii=False), where)
        return marked, True

    def _check_parts(
        self, chats: Sequence[Chat], texts: Sequence[str], places: Sequence[str], first: Sequence[int] | None = None
    ) -> None:
        """Checks that every key, content and list of tools changes what the template writes.

        Args:
            chats: whole.
            texts: as rendered.
            places: of each.
            first: the number of the first message to check in each; None for all.
        """
        if not self._is_whole:
            return
        variants: list[tuple[int, int, Chat, str]] = []
        for row, (chat, text) in enumerate(zip(chats, texts, strict=True)):
            variants += [(row, *parts) for parts in _variants(chat, text, 0 if first is None else first[row])]
        rendered = self._rendered([chat for *_, chat, _ in variants])
        same = [variant for variant, text in zip(variants, rendered, strict=True) if text == texts[variant[0]]]
        turns = [_until(chat, number) for row, number, variant, _ in same for chat in (chats[row], variant)]
        written = self._rendered(turns)
        for (row, number, _, part), turn, other in zip(same, written[::2], written[1::2], strict=True):
            is_old = chats[row].messages[number]["role"] == "assistant" and not isinstance(turn, ChatFault)
            if not is_old or turn == other:  # templates write the reasoning of the last turn only
                raise DataError(
                    f"{places[row]}: the tokenizer's chat template leaves out {part}. Remove it from the data, or use a model "
                    "whose template writes it."
                )


def _text(rendered: str | ChatFault, where: str, what: str) -> str:
    if isinstance(rendered, ChatFault):
        raise DataError(f"{where}: the tokenizer's chat template {rendered.in_words(what)}.")
    return rendered


def _squeezed(text: str) -> str:
    """A text without white space."""
    return "".join(text.split())


def _is_written(text: str, body: str, end: TurnEnd) -> bool:
    """Whether what a template writes after a prompt has a whole text in it; reasoning of its own has to be in front."""
    if end.opens_block(text):
        return _squeezed(end.opening + body).startswith(_squeezed(text))
    return _squeezed(text) in _squeezed(body)


def _is_moved(text: str, body: str, end: TurnEnd) -> bool:
    """Whether a template makes reasoning of the beginning of a text that does not say so."""
    is_answer = _squeezed(body).endswith(_squeezed(end.between + text))
    return not end.opening and end.closes_block(text) and not end.opens_block(text) and not is_answer


def _writes(rendered: str | ChatFault, parts: Sequence[Mapping[str, str]]) -> bool:
    """Whether a template writes the text of parts, instead of leaving it out or writing the parts as Python or JSON."""
    if isinstance(rendered, ChatFault) or any(form in rendered for form in (str(parts), json.dumps(parts, ensure_ascii=False))):
        return False
    return all(part["text"].strip() in rendered for part in parts)


def _until(chat: Chat, number: int) -> Chat:
    """A chat that ends after one of its messages."""
    return Chat(chat.messages[: number + 1], chat.tools, opens_answer=False)


def _variants(chat: Chat, text: str, first: int) -> list[tuple[int, Chat, str]]:
    """The chat without each of its parts that the template may have left out, with its message, and what the part is called."""
    found = []
    for number, message in list(enumerate(chat.messages))[first:]:
        where = f"of message {number + 1} (role {message['role']})"
        for key in message:
            if key == "role" or (key in OF_RESULTS and message["role"] not in ("user", "system", "assistant")):
                continue
            if key == "content" and (isinstance(message[key], list) or (message[key] or "").strip() in text):
                continue
            changed: Mapping[str, Any] = (
                {**message, "content": ""}
                if key == "content"
                else {name: value for name, value in message.items() if name != key}
            )
            messages = [*chat.messages[:number], changed, *chat.messages[number + 1 :]]
            found.append((number, Chat(messages, chat.tools, chat.opens_answer), f"{key!r} {where}"))
    if chat.tools and not first:
        found.append((0, Chat(chat.messages, None, chat.opens_answer), "the tools"))
    return found
