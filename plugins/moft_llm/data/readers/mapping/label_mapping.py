"""Labels of responses from the values of a row: ratings, ranks, or margins between two responses."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations, groupby
from typing import Any, Literal

from moft import ConfigError, DataError
from moft.api import float_of
from moft_llm.data.files.file_formats import Row
from moft_llm.data.readers.mapping.value_paths import path_of
from moft_llm.data.texts_and_labels import label_of, short_repr

_NUMBER = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*", re.ASCII)

Labels = tuple[float | None, ...]


@dataclass(frozen=True)
class LabelColumn:
    """How the labels of an objective are made from a row.

    Args:
        path: to a value for each response; or a list with a path or a number for each.
        kind: `rating` takes values as they are, larger is better. `rank` takes 1 for the best; a label is the number of responses
            that rank lower. `margin` takes one value for each two responses, in the order 1-2, 1-3, ..., 2-3, ...: how much the
            first is better, 0 for a tie. A label is half of what a response wins minus what it loses, and the lowest is 0; so of
            two responses, the better one has the margin and the other one 0.
        sign: -1 where a smaller rating is better, or where a margin is that of the second response.
        values: what values stand for, each by its text, such as N/A or "2"; null for no label. Other texts must be numbers.
        range: the lowest and the highest value that is allowed.
        optional: a path that finds nothing stands for no label.
    """

    path: str | list[str | float]
    kind: Literal["rating", "rank", "margin"] = "rating"
    sign: Literal[1, -1] = 1
    values: dict[str, float | None] = field(default_factory=dict)
    range: tuple[float, float] | None = None
    optional: bool = False

    def __post_init__(self) -> None:
        for path in [self.path] if isinstance(self.path, str) else self.path:
            if isinstance(path, str):
                path_of(path)
        if self.kind == "rank" and self.sign != 1:
            raise ConfigError("[task.data.labels] sign: -1 has no effect on ranks, of which 1 is the best. Leave it out.")
        if self.range is not None and self.range[0] > self.range[1]:
            raise ConfigError(f"[task.data.labels] range {list(self.range)} must have the lowest value first.")

    def labels(self, name: str, row: Row, count: int) -> Labels:
        """A label for each response of a row, None for one without.

        Args:
            name: of the label, for messages.
            row: of the data.
            count: of responses.

        Raises:
            DataError: a path finds nothing; or a value is no number, is out of range, or is not there for each response.
        """
        numbers = [self._number(value, what, row.where) for what, value in self._found(row)]
        if self.optional and all(number is None for number in numbers):  # also where the list of all of them is not there
            return (None,) * count
        due = count * (count - 1) // 2 if self.kind == "margin" else count
        if len(numbers) != due:
            each = "every two responses" if self.kind == "margin" else "each response"
            raise DataError(
                f"{row.where}: label {name!r} has {len(numbers)} {'value' if len(numbers) == 1 else 'values'} for {count} "
                f"{'response' if count == 1 else 'responses'}; a {self.kind} needs one for {each}, so {due}."
            )
        if self.kind == "rank":
            return _ranked(numbers, name, row.where)
        signed = [None if number is None else self.sign * number for number in numbers]
        return _won(signed, count) if self.kind == "margin" else tuple(signed)

    def _found(self, row: Row) -> list[tuple[str, Any]]:
        """Each value, after what it is called in messages."""
        if isinstance(self.path, str):
            value = path_of(self.path).of(row, is_optional=self.optional)
            many = isinstance(value, list | tuple)
            return [(f"{self.path} ({i})", inner) for i, inner in enumerate(value, start=1)] if many else [(self.path, value)]
        return [
            (path, path_of(path).of(row, is_optional=self.optional)) if isinstance(path, str) else ("a label", path)
            for path in self.path
        ]

    def _number(self, value: Any, what: str, where: str) -> float | None:
        if isinstance(value, str | int | float) and (key := _key(value)) in self.values:
            value = self.values[key]
        elif isinstance(value, str):
            if not _NUMBER.fullmatch(value):
                raise DataError(
                    f"{where}: {what} is {short_repr(value)}, which is no number. Say in values what it stands for, such as "
                    f"values: {{{_shown(value)}: null}} for no label."
                )
            value = float(value)
        number = label_of(value, what, where)
        if number is not None and self.range is not None and not self.range[0] <= number <= self.range[1]:
            low, high = self.range
            raise DataError(f"{where}: {what} is {number:g}, which is out of the range from {low:g} to {high:g}.")
        return number


def label_column(given: str | list[str | float] | LabelColumn) -> LabelColumn:
    """How labels are made, from a config that may give the path alone."""
    return given if isinstance(given, LabelColumn) else LabelColumn(given)


def _key(value: str | bool | int | float) -> str:
    """A value as text; `1`, `1.0` and `"1"` are the same."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return value.strip()
    is_whole = abs(value) < 1e15 and value == int(value)
    return str(int(value)) if is_whole else repr(float_of(value))


def _shown(text: str) -> str:
    """A text as a key in YAML, for messages."""
    return text if re.fullmatch(r"[A-Za-z][\w/ ]*", text) and len(text) <= 20 else short_repr(text)


def _ranked(ranks: Sequence[float | None], name: str, where: str) -> Labels:
    """For each rank, how many are lower; of equal ranks, the next ones may go on at once or leave out as many."""
    given = sorted(rank for rank in ranks if rank is not None)
    expected: dict[str, list[float]] = {"dense": [], "lowest": [], "mean": [], "highest": []}
    for number, (_, equal) in enumerate(groupby(given), start=1):
        before, size = len(expected["dense"]), len(list(equal))
        for way, rank in zip(expected, (number, before + 1, before + (size + 1) / 2, before + size), strict=True):
            expected[way] += [rank] * size
    from_zero = [rank + 1 for rank in given]
    if not any(ranks_ in (given, from_zero) for ranks_ in expected.values()):
        shown = ", ".join(f"{rank:g}" for rank in given[:12])
        raise DataError(
            f"{where}: label {name!r} has the ranks {shown}; ranks start at 1 or 0, and have no gaps, except after equal ones."
        )
    return tuple(None if rank is None else float(sum(other > rank for other in given)) for rank in ranks)


def _won(margins: Sequence[float | None], count: int) -> Labels:
    """Half of what each response wins minus what it loses, the lowest of them 0; None for one that was not compared."""
    net: list[float | None] = [None] * count
    for (first, second), margin in zip(combinations(range(count), 2), margins, strict=True):
        if margin is not None:
            net[first], net[second] = (net[first] or 0.0) + margin, (net[second] or 0.0) - margin
    low = min((value for value in net if value is not None), default=0.0)
    return tuple(None if value is None else (value - low) / 2 for value in net)
