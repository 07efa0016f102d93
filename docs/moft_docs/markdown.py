"""Tables, fences and values as Markdown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

YAML_WORDS = {"true", "false", "null"}


def table(headers: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: bool = False, words: Sequence[int] = (0,)) -> str:
    """A table; with `numbers`, all columns but those that hold words stand on the right."""
    aligned = ["---:" if numbers and column not in words else "---" for column in range(len(headers))]
    lines = [headers, aligned, *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def fence(kind: str, text: str) -> str:
    """A block of code."""
    return f"```{kind}\n{text}\n```"


def sentence(text: str) -> str:
    """A text that begins with a capital, with a word of YAML as code, or with a symbol such as n as it is."""
    word, space, rest = text.partition(" ")
    if word in YAML_WORDS:
        return f"`{word}`{space}{rest}"
    is_symbol = "_" in word or (len(word) == 1 and word != "a")
    return text if is_symbol else text[:1].upper() + text[1:]


def anchor(heading: str) -> str:
    """What a link calls a heading, by the rule of GitHub, which MyST follows."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


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
