"""Google docstrings, taken apart into their sections."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field

SECTION = re.compile(r"(Args|Returns|Yields|Raises|Source|Example):\s*(.*)")
ENTRY = re.compile(r"(\w+)(?: \([^)]*\))?:\s*(.*)", re.DOTALL)


@dataclass(frozen=True)
class Docstring:
    """A docstring in parts.

    Args:
        summary: its first paragraph, on one line.
        body: the paragraphs that belong to no section.
        args: the meaning of each argument, on one line.
        raises: when each error is raised, on one line.
        returns: what is returned beside what the summary says.
        source: where it is taken from.
        example: code.
    """

    summary: str = ""
    body: str = ""
    args: Mapping[str, str] = field(default_factory=dict)
    raises: Mapping[str, str] = field(default_factory=dict)
    returns: str = ""
    source: str = ""
    example: str = ""


def parsed(text: str | None) -> Docstring:
    """The parts of a docstring whose indentation is cleaned, as `inspect.getdoc` gives it."""
    paragraphs, sections = list[list[str]]([[]]), dict[str, list[str]]()
    current = ""
    previous = ""
    for line in (text or "").split("\n"):
        if begin := SECTION.fullmatch(line):
            current = begin[1]
            sections.setdefault(current, []).append(begin[2])
        elif current and (line.startswith(" ") or not line or previous):
            sections[current].append(line)
        else:
            current = ""
            if not line:
                paragraphs.append([])
            else:
                paragraphs[-1].append(line)
        previous = line
        if current and not line:
            paragraphs.append([])
    texts = ["\n".join(lines) for lines in paragraphs if lines]
    found = {name: "\n".join(lines) for name, lines in sections.items()}
    return Docstring(
        summary=_line(texts[0]) if texts else "",
        body="\n\n".join(texts[1:]),
        args=_entries(found.get("Args", "")),
        raises=_entries(found.get("Raises", "")),
        returns=_line(found.get("Returns", "") or found.get("Yields", "")),
        source=_line(found.get("Source", "")),
        example=textwrap.dedent(found.get("Example", "")).strip("\n"),
    )


def _entries(section: str) -> dict[str, str]:
    """The entries `name: text` of a section."""
    entries = re.split(r"\n(?=\S)", textwrap.dedent(section.strip("\n")))
    return {entry[1]: _line(entry[2]) for text in entries if (entry := ENTRY.fullmatch(text.strip()))}


def _line(text: str) -> str:
    return " ".join(text.split())
