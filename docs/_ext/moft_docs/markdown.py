"""Tables and values as Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any


def table(headers: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: bool = False) -> str:
    """A table; with `numbers`, all columns but the first stand on the right."""
    aligned = ["---", *(["---:" if numbers else "---"] * (len(headers) - 1))]
    lines = [headers, aligned, *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def default_in_words(value: Any) -> str:
    """A default as a config file would have it; a component without settings of its own is its name."""
    if isinstance(value, dict) and set(value) == {"name"}:
        return str(value["name"])
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {default_in_words(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(default_in_words(entry) for entry in value) + "]"
    return value if isinstance(value, str) else json.dumps(value)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")
