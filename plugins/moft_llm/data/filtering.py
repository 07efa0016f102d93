"""Which lists can be learned from: responses without text, repeats and lists of one are refused or left out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from moft import DataError
from moft_llm.data.example import Example

Faulty = Literal["refuse", "drop"]


@dataclass(frozen=True)
class Usable:
    """The lists that can be learned from, and how much was left out.

    Args:
        examples: lists of at least two responses, all different and none empty.
        empty: responses without text that were left out.
        repeated: responses that stood in their list before and were left out.
        short: lists that were left out because fewer than two responses remained.
    """

    examples: tuple[Example, ...]
    empty: int = 0
    repeated: int = 0
    short: int = 0

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out, in sentences."""
        said = (
            (self.empty, "responses without text were left out"),
            (self.repeated, "responses that their list has already were left out"),
            (self.short, "lists of fewer than two responses were left out"),
        )
        return tuple(f"data: {count} {words}." for count, words in said if count)


def usable(examples: Iterable[Example], faulty: Faulty) -> Usable:
    """The examples with at least two responses that differ and are not empty.

    Args:
        examples: as they were read.
        faulty: `refuse` raises at the first response that is empty or a repeat, and at the first list of one; `drop` leaves
            such responses out, and lists of which fewer than two remain.

    Raises:
        DataError: an example has such a fault and `faulty` is `refuse`.
    """
    kept, empty, repeated, short = [], 0, 0, 0
    for example in examples:
        texts = [response.strip() for response in example.responses]
        places = [i for i, text in enumerate(texts) if text and text not in texts[:i]]
        if faulty == "refuse" and (fault := _fault(texts)):
            raise DataError(f"{example.where}: {fault} Set task.faulty to drop to leave such out.")
        empty += texts.count("")
        repeated += len(texts) - len(places) - texts.count("")
        if len(places) < 2:
            short += 1
        elif len(places) == len(texts):
            kept.append(example)
        else:
            labels = {name: tuple(values[i] for i in places) for name, values in example.labels.items()}
            kept.append(Example(example.prompt, tuple(example.responses[i] for i in places), labels, example.where))
    return Usable(tuple(kept), empty, repeated, short)


def scorable(examples: Iterable[Example]) -> tuple[Example, ...]:
    """The examples, once each of their responses is known to have text; one response alone can be scored, and so can repeats.

    Raises:
        DataError: a list has no response, or one without text.
    """
    found = tuple(examples)
    for example in found:
        texts = [response.strip() for response in example.responses]
        if not texts or "" in texts:
            fault = f"response {texts.index('') + 1} is empty" if texts else "the list has no response"
            raise DataError(f"{example.where}: {fault}; to be scored, every list needs responses with text.")
    return found


def _fault(texts: Sequence[str]) -> str | None:
    """What keeps responses, stripped, from being a list, or None."""
    if "" in texts:
        return f"response {texts.index('') + 1} is empty; every response needs text."
    for number, text in enumerate(texts, start=1):
        if text in texts[: number - 1]:
            return f"responses {texts.index(text) + 1} and {number} are identical; the responses of a list must differ."
    return None if len(texts) > 1 else f"the list has {len(texts) or 'no'} response; it needs at least two."
