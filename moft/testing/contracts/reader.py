"""The contract of readers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from moft.interfaces import LabelledTexts, Reader
from moft.testing.contracts.assertions import require, require_kind

_MOST = 1000


def check_reader(reader: Reader) -> None:
    """Checks the contract of readers, on the first thousand lists of what it reads.

    It names the places that it reads. There is a list, and a second reading gives the same ones in the same order. Each list says
    where it is from; its prompt is text or messages, and so is every response; each label has a finite number or None for each
    response.

    Args:
        reader: of data that can be read.

    Raises:
        AssertionError: a rule is broken; the message gives the rule, what was found and the input.
    """
    places = getattr(reader, "places", None)
    is_places = isinstance(places, Sequence) and not isinstance(places, str) and all(isinstance(one, str) for one in places)
    require(is_places, "`places`, a list of texts", repr(places), "the reader")
    first = list(islice(reader.lists(None), _MOST))
    require(bool(first), "there is a list", "none", "lists(None)")
    for number, found in enumerate(first, start=1):
        on = f"list {number} of lists(None)"
        require_kind(found, LabelledTexts, "a moft.api.LabelledTexts", on)
        require(isinstance(found.where, str) and bool(found.where.strip()), "a list says where it is from", repr(found.where), on)
        on = f"{on}, from {found.where}"
        require(_is_prompt(found.prompt), "a prompt is text or messages with role and content", repr(found.prompt)[:60], on)
        for response in found.responses:
            is_text = isinstance(response, str) or _is_message(response)
            require(is_text, "a response is text or a message", repr(response)[:60], on)
        for name, values in found.labels.items():
            each = len(values) == len(found.responses)
            require(each, "a label has a value for each response", f"{len(values)} of {name!r} for {len(found.responses)}", on)
            numbers = all(value is None or _is_finite(value) for value in values)
            require(numbers, "labels are finite numbers or None", f"{list(values)[:6]} of {name!r}", on)
    again = list(islice(reader.lists(None), _MOST))
    require(again == first, "the same lists in the same order on every call", "others", "lists(None)")


def _is_prompt(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, Sequence) and bool(value) and all(map(_is_message, value)))


def _is_message(value: Any) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("role"), str) and ("content" in value or "tool_calls" in value)


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
