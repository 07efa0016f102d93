"""The generated blocks of a page: which part makes each, and how they are filled."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from moft_docs.api import api_reference
from moft_docs.commands import command_reference
from moft_docs.hooks import hook_reference
from moft_docs.results import benchmark_results, other_results, paper_table
from moft_docs.settings import component_reference, record_reference

PARTS: Mapping[str, Callable[[str], str]] = {
    "record": record_reference,
    "components": component_reference,
    "hooks": hook_reference,
    "api": api_reference,
    "command": command_reference,
    "benchmark": benchmark_results,
    "other-benchmarks": other_results,
    "paper-table": paper_table,
}
BEGIN = re.compile(r"<!-- generated: (\S+)(?: (\S.*?))? -->")
END = "<!-- /generated -->"


def filled(text: str) -> str:
    """The text of a page with every generated block made anew; a beginning without an end is closed.

    Raises:
        KeyError: a beginning names no part.
        ValueError: an end has no beginning.
    """
    lines, new, place = text.split("\n"), list[str](), 0
    while place < len(lines):
        line = lines[place]
        place += 1
        new.append(line)
        if line == END:
            raise ValueError(f"line {place}: {END} has no beginning")
        if begin := BEGIN.fullmatch(line):
            new += ["", PARTS[begin[1]](begin[2] or "").strip("\n"), "", END]
            place = _behind_block(lines, place)
    return "\n".join(new)


def blocks(text: str) -> Mapping[str, str]:
    """What stands in each block of a page, by its first line; empty for a beginning without an end."""
    lines = text.split("\n")
    places = [place for place, line in enumerate(lines, start=1) if BEGIN.fullmatch(line)]
    return {lines[place - 1]: "\n".join(lines[place : _behind_block(lines, place)]) for place in places}


def _behind_block(lines: list[str], place: int) -> int:
    """Where the page goes on behind the block whose content begins at `place`."""
    for end in range(place, len(lines)):
        if lines[end] == END:
            return end + 1
        if BEGIN.fullmatch(lines[end]):
            break
    return place
