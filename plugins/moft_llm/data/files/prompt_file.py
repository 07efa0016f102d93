"""Files of prompts: JSON lines with a `prompt`, or text with one prompt per line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from moft import DataError
from moft.api import json_of
from moft_llm.data.chat.messages import Prompt, prompt_of
from moft_llm.data.texts_and_labels import text_of


def read_prompts(path: Path) -> tuple[list[Prompt], list[str]]:
    """The prompts of a file, and the file and line of each.

    Args:
        path: of JSON lines where it ends in .jsonl or .json; else of text.

    Raises:
        DataError: the file cannot be read, has no prompts, or a line is malformed.
    """
    prompts: list[Prompt] = []
    places: list[str] = []
    for place, line in prompt_lines(path):
        places.append(place)
        if path.suffix in (".jsonl", ".json"):
            entry = prompt_entry(line, place, '{"prompt": "..."}')
            prompts.append(prompt_of(entry["prompt"], place, entry.get("tools")))
        else:
            prompts.append(text_of(line.strip(), "the prompt", place))
    if not prompts:
        raise DataError(f"{path}: the file has no prompts.")
    return prompts, places


def prompt_lines(path: Path) -> Iterator[tuple[str, str]]:
    """The lines of a file that are not blank, each after its file and line number. Only `\\n` ends a line.

    Raises:
        DataError: the file cannot be read, or is not UTF-8.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")  # splitlines would cut JSON at U+2028
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}).") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8 text ({error.reason}).") from error
    return ((f"{path}:{number}", line) for number, line in enumerate(lines, start=1) if line.strip())


def prompt_entry(line: str, where: str, form: str) -> dict[str, Any]:
    """The object on a line of JSON.

    Args:
        line: JSON.
        where: the file and line, for messages.
        form: what a line looks like, for messages.

    Raises:
        DataError: it is not JSON, or has no `prompt`.
    """
    entry = json_of(line, where, form)
    if not isinstance(entry, dict) or "prompt" not in entry:
        raise DataError(f"{where}: has no 'prompt'; a line is {form}.")
    return entry
