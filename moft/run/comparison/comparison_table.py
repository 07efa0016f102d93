"""The tables of a comparison: rows for the terminal, and CSV."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from moft.files.csv import csv_text
from moft.run.report.front_record import main_name
from moft.types import MAIN

MISSING = "\N{EN DASH}"


def number(value: Any, form: str) -> str:
    """A number as short text; a dash if there is none."""
    return format(value, form) if isinstance(value, int | float) and math.isfinite(value) else MISSING


def run_rows(record: Mapping[str, Any]) -> list[list[str]]:
    """Column names, then a row for each entry. Columns about seeds are left out if every entry has one seed.

    Args:
        record: the content of `comparison.json`; NaN may be None.
    """
    has_seeds = any(len(entry["seeds"]) > 1 for entry in record["entries"])
    indicators = _indicators(record)
    called = main_name(record)
    over_seeds = [["over seeds"], [f"{called} over seeds"]] if has_seeds else [[], []]
    header = ["run", "hypervolume", "interval", *over_seeds[0], called, "over front", *over_seeds[1], *indicators]
    rows = [[*header, "jobs", "seconds", "one by one", "parameters"]]
    for entry in record["entries"]:
        volume, main, cost = entry["hypervolume"], entry["main"], entry["cost"]
        row = [entry["name"], number(volume["value"], ".4g"), _interval(volume["ci"], ".4g")]
        row += [f"±{number(volume['deviation_over_seeds'], '.2g')}"] if has_seeds else []
        row += [number(main["value"], "z.4f"), f"±{number(main['deviation'], '.2g')}"]
        row += [f"±{number(main['deviation_over_seeds'], '.2g')}"] if has_seeds else []
        row += [number(entry["indicators"].get(name), ".3g") for name in indicators]
        row += [number(cost["jobs"], "g"), _seconds(cost["seconds"]), _seconds(cost["separate_seconds"])]
        rows.append([*row, number(cost["parameters"], ",.0f")])
    return rows


def verdict_rows(record: Mapping[str, Any]) -> list[list[str]]:
    """Column names, then measure, verdict, difference, interval and p-value of each pair of the best run of a measure.

    A significant difference is positive.
    """
    rows = [["measure", "verdict", "difference", "interval", "p"]]
    for verdict in (each for each in record["verdicts"] if _best(record, each["measure"]) in (each["first"], each["second"])):
        value, ends = verdict["difference"], verdict["ci"]
        if verdict["is_significant"] and value < 0:
            value, ends = -value, [-ends[1], -ends[0]]
        interval = MISSING if ends is None else _interval(ends, "+.3g")
        measure = main_name(record) if verdict["measure"] == MAIN else verdict["measure"]
        rows.append([measure, verdict["verdict"], number(value, "+.3g"), interval, number(verdict["p"], ".2g")])
    return rows


def _best(record: Mapping[str, Any], measure: str) -> str:
    """The name of the entry with the largest value."""
    known = [entry for entry in record["entries"] if number(entry[measure]["value"], "") != MISSING]
    return str(max(known, key=lambda entry: entry[measure]["value"])["name"]) if known else ""


def comparison_table(record: Mapping[str, Any]) -> str:
    """The table as CSV, with all digits; empty where there is no number.

    The last columns name the entries that each is significantly above and below.
    """
    indicators = _indicators(record)
    measures = ("hypervolume", "main")
    of_measure = [f"{name}{end}" for name in measures for end in ("", ":low", ":high", ":deviation_over_seeds")]
    costs = ("jobs", "seconds", "separate_seconds", "parameters", "base_seconds")
    sides = [(name, side) for name in measures for side in ("above", "below")]
    rows: list[list[object]] = [
        ["run", *of_measure, "main:deviation", *indicators, *costs, *(f"{name}:{side}" for name, side in sides)]
    ]
    for entry in record["entries"]:
        row = []
        for name in measures:
            row += [entry[name]["value"], *entry[name]["ci"], entry[name]["deviation_over_seeds"]]
        row += [entry["main"]["deviation"], *(entry["indicators"].get(name) for name in indicators)]
        row += [entry["cost"][name] for name in costs]
        others = ["; ".join(_significant(record, entry["name"], *each)) for each in sides]
        rows.append([entry["name"], *("" if value is None or math.isnan(value) else value for value in row), *others])
    return csv_text(rows)


def _significant(record: Mapping[str, Any], name: str, measure: str, side: str) -> Iterator[str]:
    """The entries that an entry is significantly above or below."""
    for verdict in record["verdicts"]:
        if verdict["measure"] == measure and verdict["is_significant"] and name in (verdict["first"], verdict["second"]):
            is_above = (verdict["difference"] > 0) == (verdict["first"] == name)
            if is_above == (side == "above"):
                yield verdict["second"] if verdict["first"] == name else verdict["first"]


def _indicators(record: Mapping[str, Any]) -> list[str]:
    """Names of all indicators of any entry."""
    return list({name: None for entry in record["entries"] for name in entry["indicators"]})


def _interval(ends: Any, form: str) -> str:
    return f"[{number(ends[0], form)}, {number(ends[1], form)}]"


def _seconds(value: float) -> str:
    return number(value, ".1f" if value < 100 else ",.0f")
