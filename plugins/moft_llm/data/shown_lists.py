"""Lists in full, for people to see what was read: where they are from, the prompt, and each response with its labels."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence

from moft_llm.data.chat.messages import Message, Prompt, messages_in, tools_in
from moft_llm.data.preference_example import Example

SHOWN = 3


def shown_lists(examples: Sequence[Example]) -> Iterator[str]:
    """The lines of the first lists."""
    for number, example in enumerate(examples[:SHOWN], start=1):
        yield f"List {number}, from {example.where}"
        yield from _prompt(example.prompt)
        for place, response in enumerate(example.responses):
            labels = ", ".join(f"{name} {_label(values[place])}" for name, values in example.labels.items())
            yield f"  response {place + 1} ({labels or 'no labels'}): {_content(response)}"
        yield ""


def tie_lines(examples: Sequence[Example], names: Sequence[str]) -> Iterator[str]:
    """For each label with ties, how many pairs of labelled responses are tied."""
    for name in names:
        pairs = tied = 0
        for example in examples:
            given = Counter(value for value in example.labels.get(name, ()) if value is not None)
            pairs += given.total() * (given.total() - 1) // 2
            tied += sum(count * (count - 1) // 2 for count in given.values())
        if tied:
            yield f"{name}: {tied:,} of {pairs:,} pairs of labelled responses are ties ({tied / pairs:.1%}); they prefer nothing."


def _prompt(prompt: Prompt) -> Iterator[str]:
    if isinstance(prompt, str):
        yield f"  prompt: {prompt}"
        return
    for message in messages_in(prompt):
        yield f"  {message.role}: {_content(message)}"
    if (tools := tools_in(prompt)) is not None:
        yield f"  tools: {json.dumps(tools, ensure_ascii=False)}"


def _content(response: str | Message) -> str:
    if isinstance(response, str):
        return response
    return f"{response.content} {response.more}" if response.more else response.content


def _label(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"
