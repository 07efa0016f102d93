"""Transcripts with the turns `Human:` and `Assistant:`, such as those of Anthropic's HH."""

from __future__ import annotations

import re

from moft import DataError
from moft_llm.data.chat.messages import Message

LAST = "\n\nAssistant:"
"""What the answer follows."""

_TURN = re.compile(r"\n\n(Human|Assistant):")
_ROLES = {"Human": "user", "Assistant": "assistant"}


def chat_of_transcript(transcript: str, where: str) -> tuple[Message, ...]:
    """The turns of a transcript as messages; turns without text, such as a last `Assistant:`, are left out.

    Raises:
        DataError: it does not begin and end with a turn of the user.
    """
    before, *parts = _TURN.split(transcript)
    messages = tuple(
        Message(_ROLES[role], content.strip()) for role, content in zip(parts[::2], parts[1::2], strict=True) if content.strip()
    )
    if before.strip() or not messages or messages[-1].role != "user":
        raise DataError(f"{where}: the prompt does not begin and end with a 'Human:' turn, so it is not a chat. Use turns: text.")
    return messages
