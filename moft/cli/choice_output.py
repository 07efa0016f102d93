"""A choice of weights, and predicted outcomes, as lines and tables for the terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from moft.run.policy.choices.choice_files import NamedChoice
    from moft.run.policy.choices.expected_outcomes import Expected
    from moft.types import Nouns


_HELD = {True: "held", False: "missed", None: "-"}


def choice_lines(choice: NamedChoice, nouns: Nouns) -> list[str]:
    """Weights, dial, and whether the bounds are promised."""
    record = choice.record
    weights = ",".join(f"{name}={value:.3f}" for name, value in record["weights"].items())
    lines = [f"Choice {choice.name}: weights {weights}, dial {record['dial']:.3g}"]
    asked, new = record["wish"]["confidence"], nouns.count_lists(record["new_lists"])
    if not record["bounds"]:
        lines.append("No bounds were asked for, so nothing is promised.")
    elif record["is_promised"]:
        lines.append(f"All bounds hold on {new} of new data with a confidence of {record['confidence']:.3f} (asked: {asked:g}).")
    else:
        lines.append(
            f"The wish cannot be promised with a confidence of {asked:g}: all bounds hold with {record['confidence']:.3f}."
        )
    return [*lines, *record["notes"]]


def outcome_rows(record: Mapping[str, Any], nouns: Nouns) -> tuple[list[str], list[list[str]]]:
    """The table of outcomes: header and rows."""
    test = record["test"]
    header = ["outcome", "base", f"validation, {nouns.count_lists(record['lists'])}", "reachable within the bounds"]
    header += [] if test is None else [f"test, {nouns.count_lists(test['lists'])}", "base, test"]
    rows = []
    for place, outcome in enumerate(record["outcomes"]):
        row = [outcome["name"], _number(outcome["base"]), _with_range(outcome["validation"], outcome["validation_ci"])]
        row.append("-" if None in outcome["reachable"] else " to ".join(map(_number, outcome["reachable"])))
        if test is not None:
            own = test["outcomes"][place]
            row += [_with_range(own["value"], own["ci"]), _number(own["base"])]
        rows.append(row)
    return header, rows


def bound_rows(record: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """The table of bounds: header and rows."""
    test, maximised = record["test"], record["wish"]["maximise"]
    header = ["bound", "at least", "holds on new data with", *(["on the test split"] if test is not None else [])]
    header += ["its price"] if maximised is not None else []
    rows = []
    for place, bound in enumerate(record["bounds"]):
        row = [bound["text"], _number(bound["least"]), f"{bound['holds']:.3f}"]
        row += [] if test is None else [_HELD[test["held"][place]]]
        if maximised is not None:
            gain = bound.get("gain")
            row.append("-" if gain is None else f"{bound['relaxed']}: {gain:+.4f} {maximised}")
        rows.append(row)
    return header, rows


def expected_lines(expected: Mapping[str, Expected]) -> Sequence[str]:
    """What to expect of each outcome, in one line."""
    return [
        f"Expected {name}: {each.value:.4f} ± {each.error:.4f} (base model: {each.base:.4f}; validation split)"
        for name, each in expected.items()
    ]


def _number(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.4f}"


def _with_range(value: float | None, ci: Sequence[float | None]) -> str:
    return f"{_number(value)} [{', '.join(map(_number, ci))}]"
