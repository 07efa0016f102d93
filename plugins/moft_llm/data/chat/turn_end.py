"""The token that ends a turn of the assistant, taken from what a chat template writes after its message."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from moft_llm.data.chat.bounded_rendering import Chat, Fault, render_chats

_ANSWER = "moftanswer"


@dataclass(frozen=True)
class TurnEnd:
    """How a turn of the assistant ends.

    Args:
        token: its first control token after the message; None where the template writes none.
        text: everything that follows the message.
        fault: why the template could not be asked, or None.
    """

    token: int | None = None
    text: str = ""
    fault: Fault | None = None


def turn_end_of(tokenizer: Any) -> TurnEnd:
    """The end of a turn under the chat template of a tokenizer.

    Args:
        tokenizer: with a chat template.
    """
    question, answer = {"role": "user", "content": "Hello."}, {"role": "assistant", "content": _ANSWER}
    system = {"role": "system", "content": "Be brief."}
    chats = [Chat([question, answer], opens_answer=False), Chat([system, question, answer], opens_answer=False)]
    first, second = render_chats(tokenizer, chats)
    rendered = second if isinstance(first, Fault) and first.kind == "rejected" else first
    if isinstance(rendered, Fault):
        return TurnEnd(fault=rendered)
    _, is_there, after = rendered.rpartition(_ANSWER)
    if not is_there:
        return TurnEnd(fault=Fault("rejected", "it does not write the messages of the assistant"))
    added = {number for number, token in tokenizer.added_tokens_decoder.items() if token.content.strip()}
    ids = tokenizer(after, add_special_tokens=False, verbose=False)["input_ids"]
    return TurnEnd(next((number for number in ids if number in added), None), after)
