"""How a chat template writes a turn of the assistant: what stands around its message, taken from short chats that it renders."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from moft.api import Chat, ChatFault, render_chats

_QUESTION, _ANSWER = "moftquestion", "moftanswer"
_OPENED = r"<\w+>"
_MARKUP = r"</?\w+>"  # such as <think>: templates name it, but texts write it too


@dataclass(frozen=True)
class TurnEnd:
    """How a turn of the assistant begins and ends.

    Args:
        token: its first control token after the message; None where the template writes none.
        text: what follows the message, from this token on.
        fault: why the template could not be asked, or None.
        opening: what a prompt ends in that an answer goes on with, such as `<think>`.
        left_out: the end of a prompt that is not before the message in a whole chat.
        between: what stands between a prompt and the message, such as spaces or an empty `<think></think>`.
        closing: what closes the opening before an answer, where the template leaves both out.
        names: added tokens that the template writes around messages, and that the tokenizer does not call special.
    """

    token: int | None = None
    text: str = ""
    fault: ChatFault | None = None
    opening: str = ""
    left_out: str = ""
    between: str = ""
    closing: str = ""
    names: tuple[str, ...] = ()

    @property
    def space(self) -> str:
        """The spaces between a prompt and the message, where nothing else is between them."""
        return "" if self.between.strip(" ") else self.between

    @property
    def block(self) -> str:
        """What a response begins with that has reasoning of its own, such as `<think>`; empty where there is no such thing."""
        found = re.match(_OPENED, self.between.lstrip())
        return self.opening.strip() or (found[0] if found else "")

    def opens_block(self, response: str) -> bool:
        """Whether a response begins with reasoning of its own, which may be cut."""
        return bool(self.block) and response.lstrip().startswith(self.block)

    def closes_block(self, response: str) -> bool:
        """Whether a response has the end of reasoning."""
        return bool(re.fullmatch(_OPENED, self.block)) and self.block.replace("<", "</") in response

    def ends_opening(self, response: str) -> bool:
        """Whether a response is an answer only, before which the block that its prompt opens has to end."""
        is_ended = bool(self.opening) and bool(self.closing or self.between)
        return is_ended and not self.opens_block(response) and not self.closes_block(response)

    def unwritten(self, response: str) -> tuple[str, str]:
        """A text that the template does not write after its prompt: what goes before it, and the text."""
        if self.opens_block(response):
            text = response.lstrip()
            if not self.opening:
                return "", text
            return "", text.removeprefix(self.block).removeprefix(self.opening[len(self.opening.rstrip()) :])
        return "" if self.opening and not self.ends_opening(response) else self.closing or self.between, response


def turn_end_of(tokenizer: Any) -> TurnEnd:
    """The turns of the assistant under the chat template of a tokenizer.

    Args:
        tokenizer: with a chat template.
    """
    question, answer = {"role": "user", "content": _QUESTION}, {"role": "assistant", "content": _ANSWER}
    chats = []
    for first in ([question], [{"role": "system", "content": "Be brief."}, question]):
        chats += [
            Chat([*first, answer], opens_answer=False),
            Chat(first),
            Chat([*first, answer, question], opens_answer=False),
        ]
    found = render_chats(tokenizer, chats)
    is_rejected = isinstance(found[0], ChatFault) and found[0].kind == "rejected"
    whole, prompt, _ = found[3:] if is_rejected else found[:3]
    turns = "\n".join(text for text in (found[2], found[5]) if isinstance(text, str))
    names = tuple(_written(tokenizer, str(tokenizer.chat_template), turns))
    if isinstance(whole, ChatFault):
        return TurnEnd(fault=whole, names=names)
    before, is_there, after = whole.rpartition(_ANSWER)
    if not is_there:
        return TurnEnd(fault=ChatFault("rejected", "it does not write the messages of the assistant"), names=names)
    added = {number for number, token in tokenizer.added_tokens_decoder.items() if token.content.strip()}
    ids = tokenizer(after, add_special_tokens=False, verbose=False)["input_ids"]
    token = next((number for number in ids if number in added), None)
    if token is not None:
        after = after[max(0, after.find(tokenizer.added_tokens_decoder[token].content)) :]
    prompt = prompt if isinstance(prompt, str) else ""
    shared = min(len(before), len(prompt))
    same = next((place for place in range(shared) if before[place] != prompt[place]), shared)
    if _QUESTION not in prompt[:same]:
        return TurnEnd(token, after, names=names)
    left_out, between = prompt[same:], before[same:]
    opened = re.search(rf"({_OPENED})\s*$", prompt)
    opening, closing = left_out, ""
    if opened is not None and opened[1].replace("<", "</") in between:
        opening = opened[0]
    elif left_out and between:  # so answers of whole chats do not show what goes between
        between = ""
    elif opened is not None and left_out.endswith(opened[0]):
        closing = f"\n{opened[1].replace('<', '</')}\n\n"  # as these models end empty reasoning
    return TurnEnd(token, after, None, opening, left_out, between, closing, names)


def written_names(tokenizer: Any, text: str) -> tuple[str, ...]:
    """The added tokens that a format has, and that the tokenizer does not call special."""
    return tuple(_written(tokenizer, text, ""))


def _written(tokenizer: Any, source: str, turns: str) -> Iterator[str]:
    """The added tokens of a template that are not special: those that it names, and those between messages.

    Markup counts only between messages, and not where it is empty, as `<think></think>` may be. Words are no control tokens.
    """
    turns = re.sub(r"<(\w+)>\s*</\1>", "", turns)
    for token in tokenizer.added_tokens_decoder.values():
        name = token.content.strip()
        if token.special or not re.search(r"\w", name) or not re.search(r"[^\w\s]", name):
            continue
        if name in turns or (name in source and not re.fullmatch(_MARKUP, name)):
            yield token.content
