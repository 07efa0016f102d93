"""The values of the secrets that this process has read: texts for others show their references instead."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

SHORTEST = 4
"""Characters of a value that is looked for in texts; a shorter one would be found everywhere."""

_references: dict[str, str] = {}


def remember_secret(value: str, reference: str) -> None:
    """Has `redacted` replace a value, also in quotes or in an address, by its reference, such as `${API_KEY}`."""
    if len(value) >= SHORTEST:
        for spelling in (value, repr(value)[1:-1], json.dumps(value)[1:-1], quote(value, safe="")):
            _references[spelling] = reference


def forget_secret(reference: str) -> None:
    """Has `redacted` leave the value of a reference alone again, because it is no secret."""
    for spelling in [spelling for spelling, other in _references.items() if other == reference]:
        del _references[spelling]


def redacted(content: Any) -> Any:
    """A text, or the texts in mappings and lists, with every secret replaced by its reference; other values unchanged."""
    if isinstance(content, str):
        for value in sorted(_references, key=len, reverse=True):
            content = content.replace(value, _references[value])
    elif isinstance(content, Mapping):
        return {key: redacted(item) for key, item in content.items()}
    elif isinstance(content, list | tuple):
        return [redacted(item) for item in content]
    return content
