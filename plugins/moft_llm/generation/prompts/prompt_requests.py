"""Requests of `moft generate`: prompts with their weights and dials, read from a file of JSON lines."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moft import DataError
from moft.api import new_name
from moft_llm.data.files.prompt_file import prompt_entry, prompt_lines
from moft_llm.data.preference_example import Prompt, prompt_of

_FORMAT = '{"prompt": "...", "weights": [0.2, 0.8], "dial": 1}'


@dataclass(frozen=True)
class Request:
    """One prompt, and the weights and dial to respond at.

    Args:
        prompt: text or messages.
        weights: as in JSON, or text as on the command line.
        dial: factor on the trained betas, likewise.
        place: file and line, for messages.
    """

    prompt: Prompt
    weights: Any
    dial: Any
    place: str


def read_requests(path: Path, weights: str | None, dial: str | None) -> list[Request]:
    """The requests of a file of JSON lines.

    Args:
        path: of the file.
        weights: text, for lines without weights.
        dial: text, for lines without a dial; None for 1, or for the dial of a choice.

    Raises:
        DataError: a line is malformed or has no weights; the message names it.
    """
    requests, defaults = [], {"weights": weights, "dial": dial}
    for place, line in prompt_lines(path):
        entry = prompt_entry(line, place, _FORMAT)
        unknown = sorted(set(entry) - {"prompt", "tools", "weights", "dial"})
        if unknown:
            new = new_name("prompt key", unknown[0])
            problem = f"{unknown[0]!r} is now called {new!r}" if new else f"unknown field {unknown[0]!r}"
            raise DataError(f"{place}: {problem}; a line is {_FORMAT}.")
        for name in ("weights", "dial"):
            text = entry.get(name)
            is_word = isinstance(text, str) and any(map(str.isalpha, text)) and not {",", "="} & set(text)
            if isinstance(text, str) and not (is_word and name == "weights"):
                of_choice = ", or the name of a choice" if name == "weights" else ""
                raise DataError(f"{place}: {name} {entry[name]!r} is text; give numbers, in a list or by objective{of_choice}.")
        if entry.get("weights") is None and weights is None:
            raise DataError(f"{place}: has no weights; add them, or give --weights for all lines without.")
        values = {name: default if entry.get(name) is None else entry[name] for name, default in defaults.items()}
        prompt = prompt_of(entry["prompt"], place, entry.get("tools"))
        requests.append(Request(prompt, values["weights"], values["dial"], place))
    if not requests:
        raise DataError(f"{path}: the file has no prompts; a line is {_FORMAT}.")
    return requests
