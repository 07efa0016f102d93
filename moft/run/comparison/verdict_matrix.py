"""The verdicts of a comparison as a matrix of signs, and those of its curves in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from moft.run.comparison.comparison_table import MISSING, number
from moft.run.report.figures.figure_style import shortened
from moft.run.report.front_record import main_name
from moft.types import MAIN

LONGEST = 40
"""Characters of a name beside the matrix."""
MEANINGS = {
    "+": "the row's run is above the column's",
    "-": "below it",
    ".": "not significantly different",
    "x": "each is above the other somewhere",
    "?": "no main value in common",
}


def matrix_rows(record: Mapping[str, Any]) -> list[list[str]]:
    """Column names, then a row for each entry with its number, and for each measure a sign for every other entry.

    Args:
        record: the content of `comparison.json`; NaN may be None.
    """
    names, measures = [entry["name"] for entry in record["entries"]], _signs(record)
    width = len(str(len(names)))
    rows = [["run", *measures], ["", *[_line([str(at + 1) for at in range(len(names))], width)] * len(measures)]]
    for at, name in enumerate(names):
        cells = [_line([signs.get((name, other), " ") for other in names], width) for signs in measures.values()]
        rows.append([f"{at + 1:{width}} {shortened(name, LONGEST)}", *cells])
    return rows


def legend(record: Mapping[str, Any]) -> str:
    """What the signs of the matrix mean, in one line."""
    used = {sign for signs in _signs(record).values() for sign in signs.values()}
    return ", ".join(f"{sign} {meaning}" for sign, meaning in MEANINGS.items() if sign in used)


def curve_rows(record: Mapping[str, Any]) -> list[list[str]]:
    """Column names, then the verdict on the hypervolume at the same main values, of the best curve against each other one."""
    found = [each for each in record["curves"]["verdicts"] if each["measure"] == "hypervolume"]
    points = dict.fromkeys((entry["name"] for entry in record["entries"]), 0)
    for verdict in found:
        points[verdict["first"]] += verdict["above"] - verdict["below"]
        points[verdict["second"]] += verdict["below"] - verdict["above"]
    best = max(points, key=points.__getitem__)
    rows = [[_curve_title(record), "difference"]]
    for verdict in found:
        if best in (verdict["first"], verdict["second"]):
            turned = -1 if verdict["below"] > verdict["above"] else 1
            ends = sorted(turned * value for value in verdict["difference"])
            text = f"{number(ends[0], '+.3g')} to {number(ends[-1], '+.3g')}" if ends else MISSING
            rows.append([verdict["verdict"], text])
    return rows


def _curve_title(record: Mapping[str, Any]) -> str:
    return f"hypervolume at equal {main_name(record)}"


def _signs(record: Mapping[str, Any]) -> dict[str, dict[tuple[str, str], str]]:
    """For each measure, the sign of every pair that has a verdict, both ways round."""
    measures: dict[str, dict[tuple[str, str], str]] = {}
    for verdict in record["verdicts"]:
        measure = main_name(record) if verdict["measure"] == MAIN else verdict["measure"]
        value = verdict["difference"] if verdict["is_significant"] else 0
        measures.setdefault(measure, {}).update(_both_ways(verdict, value > 0, value < 0))
    for verdict in record.get("curves", {}).get("verdicts", []):
        if verdict["measure"] == "hypervolume":
            pairs = dict(_both_ways(verdict, verdict["above"] > 0, verdict["below"] > 0))
            measures.setdefault(_curve_title(record), {}).update(pairs if verdict["main"] else dict.fromkeys(pairs, "?"))
    return measures


def _both_ways(verdict: Mapping[str, Any], is_above: bool, is_below: bool) -> Iterator[tuple[tuple[str, str], str]]:
    """The signs of a pair and of its reverse, from whether the first is above the second, and below it."""
    signs = {(True, False): "+", (False, True): "-", (True, True): "x", (False, False): "."}
    yield (verdict["first"], verdict["second"]), signs[is_above, is_below]
    yield (verdict["second"], verdict["first"]), signs[is_below, is_above]


def _line(signs: Sequence[str], width: int) -> str:
    return " ".join(sign.rjust(width) for sign in signs)
