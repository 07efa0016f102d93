"""Paths to values within a row, such as `completions[*].annotations.helpfulness.Rating`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from moft import ConfigError, DataError
from moft_llm.data.files.file_formats import Row
from moft_llm.data.texts_and_labels import short_repr

FORM = "names with dots between them, and [*] for every entry of a list, [0] for the first, [-1] for the last, [:-1] for a part"

_STEP = re.compile(r"\[(?P<many>\*)\]|\[(?P<entry>-?\d+)\]|\[(?P<first>-?\d*):(?P<last>-?\d*)\]|(?P<name>[^.\[\]]+)")
_FIELD = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True)
class ValuePath:
    """Where a value stands in a row.

    Args:
        text: as the config gives it. A column that is called so as a whole comes first.

    Raises:
        ConfigError: it is not a path.
    """

    text: str

    def __post_init__(self) -> None:
        if not self.text.strip() or "".join(self._parts) != self.text:
            raise ConfigError(f"[task.data] {self.text!r} is no path into a row: write {FORM}.")

    def of(self, row: Row, *, is_optional: bool = False) -> Any:
        """The value; a list where the path has `[*]`, and None behind a value that is null.

        Args:
            row: to look in.
            is_optional: None stands for a name or an entry that is not there.

        Raises:
            DataError: there is no such value; the message says what is there instead.
        """
        if self.text in row.values:
            return row.values[self.text]
        found = self._found(row.values, 0, "", None if is_optional else row.where)
        return list(found) if any(step["many"] for step in self._steps) else next(found)

    @cached_property
    def _steps(self) -> list[dict[str, str | None]]:
        return [match.groupdict() for match in _STEP.finditer(self.text)]

    @cached_property
    def _parts(self) -> list[str]:
        """The steps as text, with the dots where they belong."""
        matches = list(_STEP.finditer(self.text))
        return [("." if match["name"] and number else "") + match[0] for number, match in enumerate(matches)]

    def _found(self, value: Any, number: int, place: str, where: str | None) -> Iterator[Any]:
        """The values behind the steps from a number on.

        Args:
            value: that the steps before lead to.
            number: of the next step.
            place: the steps before, with numbers for `[*]`.
            where: the file and line, for messages; None for no messages.
        """
        if number == len(self._steps) or value is None:
            yield value
            return
        step = self._steps[number]
        if (name := step["name"]) is not None:
            if isinstance(value, Mapping) and name in value:
                yield from self._found(value[name], number + 1, f"{place}.{name}" if place else name, where)
                return
            problem = f"has no {name!r}"
        elif not isinstance(value, list | tuple):
            problem = f"is no list for {self._parts[number]}"
        elif step["many"]:
            for entry, inner in enumerate(value):
                yield from self._found(inner, number + 1, f"{place}[{entry}]", where)
            return
        elif (entry_text := step["entry"]) is not None:
            entry = int(entry_text)
            if -len(value) <= entry < len(value):
                yield from self._found(value[entry], number + 1, f"{place}[{entry}]", where)
                return
            problem = f"has no entry {self._parts[number]}"
        else:
            ends = (int(end) if end else None for end in (step["first"], step["last"]))
            yield from self._found(value[slice(*ends)], number + 1, place + self._parts[number], where)
            return
        if where is None:
            yield None
            return
        raise DataError(f"{where}: {self.text!r} finds nothing: {place or 'the row'} {problem}; it {_content(value)}.")


@cache
def path_of(text: str) -> ValuePath:
    """The path that a text stands for.

    Raises:
        ConfigError: it is none.
    """
    return ValuePath(text)


def check_format(text: str) -> None:
    """Checks the paths in a text with `{path}` in it.

    Raises:
        ConfigError: one of them is none.
    """
    for field in fields_in(text):
        path_of(field)


def fields_in(text: str) -> list[str]:
    """The paths in braces of a text."""
    return _FIELD.findall(text)


def filled(text: str, row: Row) -> str:
    """A text with the values of a row for `{path}`; several values have a line each.

    Raises:
        DataError: a path finds nothing, or something that is neither text nor a number.
    """
    return _FIELD.sub(lambda match: _written(path_of(match[1]).of(row), match[1], row.where), text)


def _written(value: Any, path: str, where: str) -> str:
    if isinstance(value, list | tuple):
        return "\n".join(_written(inner, path, where) for inner in value)
    if not isinstance(value, str | int | float):
        raise DataError(f"{where}: {path} is {short_repr(value)}; it must be text, a number, or a list of these.")
    return str(value)


def _content(value: Any) -> str:
    """What a value has, for messages."""
    if isinstance(value, Mapping):
        names = list(map(str, value))
        return f"has {', '.join(names[:12])}{', ...' if len(names) > 12 else ''}" if names else "is empty"
    if isinstance(value, list | tuple):
        return f"has {len(value)} {'entry' if len(value) == 1 else 'entries'}"
    return f"is {short_repr(value)}"
