"""Joins lists of the same prompt, where they are labelled for different objectives."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from moft_llm.data.chat.messages import Prompt, Response, response_text
from moft_llm.data.preference_example import Example


def joined_by_prompt(examples: Iterable[Example]) -> Iterator[Example]:
    """Lists in the order of their first rows; those with the same responses are joined first, then those of the same prompt.

    No list gets a label twice, since labels of two rows may not be comparable: of two pairs, the better response of one may be
    worse than both of the other. A response without a label has None. Lists with a repeated response are left as they are.
    """
    same: dict[tuple[Prompt, frozenset[str]], list[Example]] = defaultdict(list)
    for example in examples:
        keys = frozenset(map(_key, example.responses))
        if len(keys) < len(example.responses):
            yield example
        else:
            _join(same[example.prompt, keys], example, {})
    by_prompt: dict[Prompt, list[Example]] = defaultdict(list)
    starts: dict[Prompt, dict[frozenset[str], int]] = defaultdict(dict)
    for (prompt, _), parts in same.items():
        for part in parts:
            _join(by_prompt[prompt], part, starts[prompt])
    for lists in by_prompt.values():
        yield from lists


def _join(lists: list[Example], example: Example, starts: dict[frozenset[str], int]) -> None:
    """Joins a list with the first one that has none of its labels, or adds it.

    Args:
        lists: of one prompt, changed in place.
        example: another one.
        starts: by labels, the number of the first list that may have none of them; changed in place.
    """
    names = frozenset(example.labels)
    place = starts.get(names, 0)
    while place < len(lists) and names & lists[place].labels.keys():
        place += 1
    starts[names] = place
    if place == len(lists):
        lists.append(example)
    else:
        lists[place] = _union(lists[place], example)


def _union(first: Example, second: Example) -> Example:
    """Both lists as one; a response of both is one response."""
    responses: dict[str, Response] = {}
    for response in (*first.responses, *second.responses):
        responses.setdefault(_key(response), response)
    labels: dict[str, tuple[float | None, ...]] = {}
    for part in (first, second):
        places: Mapping[str, int] = {_key(response): place for place, response in enumerate(part.responses)}
        for name, values in part.labels.items():
            labels[name] = tuple(values[places[key]] if key in places else None for key in responses)
    return Example(first.prompt, tuple(responses.values()), labels, first.where)


def _key(response: Response) -> str:
    """What makes two responses the same."""
    return response_text(response).strip()
