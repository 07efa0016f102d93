"""Makes one list of all rows with the same prompt, whose labels are on one scale."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from moft_llm.data.chat.messages import Prompt
from moft_llm.data.preference_example import Example


def grouped_by_prompt(examples: Iterable[Example]) -> Iterator[Example]:
    """A list for each prompt, in the order of their first rows; a response without a label of others has None.

    Args:
        examples: each with one response or more.
    """
    groups: dict[Prompt, list[Example]] = {}
    for example in examples:
        groups.setdefault(example.prompt, []).append(example)
    for prompt, parts in groups.items():
        names = dict.fromkeys(name for part in parts for name in part.labels)
        labels = {
            name: tuple(value for part in parts for value in part.labels.get(name, (None,) * len(part.responses)))
            for name in names
        }
        yield Example(prompt, tuple(response for part in parts for response in part.responses), labels, parts[0].where)
