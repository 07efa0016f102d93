"""How a chat template writes a turn of the assistant: what stands around its message, taken from short chats that it renders."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from moft_llm.data.chat.bounded_rendering import Chat, Fault, render_chats

_QUESTION, _ANSWER = "moftquestion", "moftanswer"
_MARKUP = r"</?\w+>"  # such as <think>: templates name it, but texts write it too


@dataclass(frozen=True)
class TurnEnd:
    """How a turn of the assistant begins and ends.

    Args:
        token: its first control token after the message; None where the template writes none.
        text: what follows the message, from this token on.
        fault: why the template could not be asked, or None.
        opening: what a prompt ends in that is not before the message in a whole chat, such as `<think>`.
        space: the spaces between a prompt and the message, where nothing else is between them.
        names: added tokens that the template writes around messages, and that the tokenizer does not call special.
    """

    token: int | None = None
    text: str = ""
    fault: Fault | None = None
    opening: str = ""
    space: str = ""
    names: tuple[str, ...] = ()

    def unopened(self, response: str) -> str:
        """A response without the opening, which its prompt has already."""
        name = self.opening.strip()
        if not name or not response.lstrip().startswith(name):
            return response
        return response.lstrip().removeprefix(name).removeprefix(self.opening[len(self.opening.rstrip()) :])


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
    is_rejected = isinstance(found[0], Fault) and found[0].kind == "rejected"
    whole, prompt, _ = found[3:] if is_rejected else found[:3]
    turns = "\n".join(text for text in (found[2], found[5]) if isinstance(text, str))
    names = tuple(_written(tokenizer, str(tokenizer.chat_template), turns))
    if isinstance(whole, Fault):
        return TurnEnd(fault=whole, names=names)
    before, is_there, after = whole.rpartition(_ANSWER)
    if not is_there:
        return TurnEnd(fault=Fault("rejected", "it does not write the messages of the assistant"), names=names)
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
    opening, between = prompt[same:], before[same:]
    return TurnEnd(token, after, None, opening, "" if opening or between.strip(" ") else between, names)


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
