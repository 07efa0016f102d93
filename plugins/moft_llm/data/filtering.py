"""Refuses or drops empty and repeated responses, blank prompts, and prompts with fewer than two responses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from moft import DataError
from moft_llm.data.chat.messages import Message, ToolPrompt, is_blank, messages_in, response_text
from moft_llm.data.preference_example import Example
from moft_llm.data.texts_and_labels import MAX_RESPONSES, is_visible

Faulty = Literal["refuse", "drop"]

_BLANK = "the prompt is blank; every prompt needs text."
_CALLS = "{} calls a tool, but the row has no tools; put them into the column tools."


@dataclass(frozen=True)
class FilteredLists:
    """Prompts that can be trained on, and how much was left out.

    Args:
        examples: prompts with at least two responses, all different and none empty.
        empty: empty responses that were left out.
        repeated: repeated responses that were left out.
        short: prompts that were left out because fewer than two responses remained.
        blank: prompts without text that were left out.
        calls: prompts that were left out because tools are called that the row does not have.
    """

    examples: tuple[Example, ...]
    empty: int = 0
    repeated: int = 0
    short: int = 0
    blank: int = 0
    calls: int = 0

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out, in sentences."""
        counts = (
            (self.empty, "empty responses"),
            (self.repeated, "repeated responses"),
            (self.short, "prompts with fewer than two responses"),
            (self.blank, "prompts without text"),
            (self.calls, "prompts with calls of tools that the row does not have"),
        )
        return tuple(f"data: left out {count} {what}." for count, what in counts if count)


def filter_lists(examples: Iterable[Example], faulty: Faulty, *, keeps_blank: bool = False, least: int = 2) -> FilteredLists:
    """The prompts with at least two different responses that are not empty.

    Args:
        examples: as they were read.
        faulty: `refuse` raises at the first empty or repeated response, and at the first prompt without text or with fewer than
            two responses; `drop` leaves such responses out, and such prompts.
        least: responses that a prompt needs, 1 or 2.
        keeps_blank: prompts may be blank, and invisible characters count as text, as in moft 0.2.0.

    Raises:
        DataError: there is such a response or prompt, and `faulty` is `refuse`; or a prompt has too many responses.
    """
    usable, empty, repeated, short, blank, calls = [], 0, 0, 0, 0, 0
    examples = list(examples)
    for example in examples:
        _check_count(example)
        without_text = not keeps_blank and is_blank(example.prompt)
        blank += without_text
        call = "" if keeps_blank or without_text else _call_without_tools(example)
        calls += bool(call)
        texts = [text.strip() if keeps_blank else _visible(text) for text in map(response_text, example.responses)]
        places = [i for i, text in enumerate(texts) if text and text not in texts[:i]]
        if faulty == "refuse" and (fault := _BLANK if without_text else call or _fault(texts, least)):
            left = filter_lists(examples, "drop", keeps_blank=keeps_blank, least=least).examples
            advice = "Set task.faulty: drop to leave it out." if left else "No other prompt can be trained on either."
            raise DataError(f"{example.where}: {fault} {advice}")
        if without_text or call:
            continue
        empty += texts.count("")
        repeated += len(texts) - len(places) - texts.count("")
        if len(places) < least:
            short += 1
        elif len(places) == len(texts):
            usable.append(example)
        else:
            labels = {name: tuple(values[i] for i in places) for name, values in example.labels.items()}
            usable.append(Example(example.prompt, tuple(example.responses[i] for i in places), labels, example.where))
    return FilteredLists(tuple(usable), empty, repeated, short, blank, calls)


def check_scorable(examples: Iterable[Example]) -> tuple[Example, ...]:
    """The examples, checked to have responses with text. To be scored, a prompt may have one response, or repeated ones.

    Raises:
        DataError: a prompt has no response, an empty one, or too many.
    """
    checked = tuple(examples)
    for example in checked:
        _check_count(example)
        texts = [_visible(response_text(response)) for response in example.responses]
        if not texts or "" in texts:
            fault = f"response {texts.index('') + 1} is empty" if texts else "the prompt has no response"
            raise DataError(f"{example.where}: {fault}; scoring needs responses with text.")
    return checked


def _visible(text: str) -> str:
    """A stripped text; empty where nothing of it is visible."""
    return text.strip() if is_visible(text) else ""


def _check_count(example: Example) -> None:
    count = len(example.responses)
    if count > MAX_RESPONSES:
        raise DataError(
            f"{example.where}: the prompt has {count:,} responses; at most {MAX_RESPONSES:,} are allowed. Divide them."
        )


def _call_without_tools(example: Example) -> str:
    """Which message calls a tool though there are none; empty for none. A system message may say which there are."""
    messages = messages_in(example.prompt)
    if isinstance(example.prompt, ToolPrompt) or any(message.role == "system" for message in messages):
        return ""
    named = [(f"message {number} of the prompt", message) for number, message in enumerate(messages, start=1)]
    named += [(f"response {number}", one) for number, one in enumerate(example.responses, start=1) if isinstance(one, Message)]
    return next((_CALLS.format(name) for name, message in named if message.more and "tool_calls" in message.fields()), "")


def _fault(texts: Sequence[str], least: int) -> str | None:
    """What is wrong with the responses to a prompt, which are stripped; None where nothing is."""
    if "" in texts:
        return f"response {texts.index('') + 1} is empty; every response needs text."
    for number, text in enumerate(texts, start=1):
        if text in texts[: number - 1]:
            return f"responses {texts.index(text) + 1} and {number} are identical; responses to a prompt must differ."
    needed = "two" if least == 2 else "one"
    return None if len(texts) >= least else f"the prompt has {len(texts) or 'no'} response; it needs at least {needed}."
