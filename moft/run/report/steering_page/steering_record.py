"""What a steering page is made of, as JSON: what was measured, what predicts the rest, the base model and the choices."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from types import MappingProxyType
from typing import Any

import torch

from moft.engine.choices.surrogate import OutcomeSurrogate, surrogate_of
from moft.errors import RunError
from moft.run.report.choice_words import choice_row
from moft.run.report.front_record import main_name, nouns_of

SCHEMA = 1


def steering_record(
    front: Mapping[str, Any],
    names: Sequence[str],
    *,
    name: str,
    place: str,
    is_text: bool,
    outcomes: Mapping[str, Any] | None = None,
    choices: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> dict[str, Any]:
    """The data of a page. Every number is finite, or null.

    Args:
        front: the content of `front.json`.
        names: of the outcomes: objectives, the main objective if there is one, further values.
        name: of the run.
        place: how commands name it: its folder as typed.
        is_text: whether the run is a language model.
        outcomes: `names`, `surrogate` and `error` of what was measured for choices; None if nothing was.
        choices: of the run by name, the content of `choices/NAME.json`.

    Raises:
        RunError: nothing was measured that predicts anything.
    """
    nouns = nouns_of(front)
    sources = [_of_choices(outcomes, choices, front["objectives"])] if outcomes is not None else []
    own = _of_front(front, names)
    if own is not None:
        sources.append(own)
    if not sources:
        raise RunError(
            "the run has no outcome with a value at every point and one dial for all objectives; nothing can be steered."
        )
    served = list(dict.fromkeys(tuple(point["served"]) for point in front["points"] if "served" in point))
    return {
        "schema": SCHEMA,
        "name": name,
        "place": place,
        "isText": is_text,
        "objectives": list(front["objectives"]),
        "main": main_name(front),
        "nouns": {**asdict(nouns), "lists": nouns.lists, "items": nouns.items},
        "metric": front["metric"],
        "served": [list(weights) for weights in served],
        "sources": sources,
        "choices": [_choice(name, choice, front["objectives"]) for name, choice in choices.items()],
    }


def _of_choices(
    outcomes: Mapping[str, Any], choices: Mapping[str, Mapping[str, Any]], objectives: Sequence[str]
) -> dict[str, Any]:
    """What was measured for choices on the validation split; only the choices have intervals."""
    given, names = outcomes["surrogate"], outcomes["names"]
    rows = zip(given["weights"], given["dials"], given["means"], strict=True)
    points: list[dict[str, Any]] = [
        {"weights": weights, "dial": dial, "values": means, "ci": None} for weights, dial, means in rows
    ]
    for choice in choices.values():
        own = {each["name"]: each for each in choice["outcomes"]}
        if all(name in own and _is_known(own[name]["validation"], *own[name]["validation_ci"]) for name in names):
            points.append(
                {
                    "weights": [choice["weights"][objective] for objective in objectives],
                    "dial": choice["dial"],
                    "values": [own[name]["validation"] for name in names],
                    "ci": [own[name]["validation_ci"] for name in names],
                }
            )
    base = {"values": given["base"], "ci": None}
    lists = max((choice["lists"] for choice in choices.values()), default=None)
    return _source("validation", "choices", lists, names, points, base, surrogate_of(given), outcomes["error"])


def _of_front(front: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any] | None:
    """The points of a front; outcomes without a value somewhere are left out. None if no outcome or no point is left."""
    main = main_name(front)

    def by_name(entry: Mapping[str, Any], key: str, of_main: str) -> dict[str, Any]:
        return {**dict(zip(front["objectives"], entry[key], strict=True)), main: entry[of_main]}

    points = [(point, dial) for point in front["points"] if (dial := _dial(point, front["points"][0])) is not None]
    tables = [{**by_name(entry, "values", "main"), **entry.get("more", {})} for entry in (front["base"], *(p for p, _ in points))]
    known = [name for name in names if all(_is_known(table.get(name)) for table in tables)]
    if not known or not points:
        return None
    ranges = [by_name(entry, "ci", "main_ci") for entry in (front["base"], *(p for p, _ in points))]
    intervals = [[row[name] if _is_known(*row.get(name, ())) else None for name in known] for row in ranges]
    values = [[table[name] for name in known] for table in tables]
    surrogate = OutcomeSurrogate(
        torch.tensor([point["weights"] for point, _ in points], dtype=torch.float64),
        torch.tensor([dial for _, dial in points], dtype=torch.float64),
        torch.tensor(values[1:], dtype=torch.float64),
        torch.tensor(values[0], dtype=torch.float64),
    )
    rows = [
        {"weights": point["weights"], "dial": dial, "values": means, "ci": ci}
        for (point, dial), means, ci in zip(points, values[1:], intervals[1:], strict=True)
    ]
    base = {"values": values[0], "ci": intervals[0]}
    errors = surrogate.held_out().error
    return _source(front["split"], "front", front.get("lists"), known, rows, base, surrogate, errors)


def _source(
    split: str,
    kind: str,
    lists: int | None,
    names: Sequence[str],
    points: Sequence[Mapping[str, Any]],
    base: Mapping[str, Any],
    surrogate: OutcomeSurrogate,
    errors: Sequence[float],
) -> dict[str, Any]:
    """Outcomes that belong together, as they were measured on the same lists; of two with opposite values, the first."""
    columns = list(zip(base["values"], *(point["values"] for point in points), strict=True))
    mirrored = [any(column) and tuple(-value for value in column) in columns[:k] for k, column in enumerate(columns)]

    def kept(row: Sequence[Any]) -> list[Any]:
        return [value for value, is_mirrored in zip(row, mirrored, strict=True) if not is_mirrored]

    def cut(entry: Mapping[str, Any]) -> dict[str, Any]:
        return {**entry, "values": kept(entry["values"]), "ci": None if entry["ci"] is None else kept(entry["ci"])}

    given = surrogate.parameters()
    predicts = {
        "factors": [kept(row) for row in given["factors"]],
        "middle": kept(given["middle"]),
        "scale": kept(given["scale"]),
    }
    return {
        **{"split": split, "kind": kind, "lists": lists, "names": kept(names), "points": [cut(point) for point in points]},
        **{"base": cut(base), "surrogate": {**given, **predicts}, "error": kept(errors)},
    }


def _choice(name: str, choice: Mapping[str, Any], objectives: Sequence[str]) -> dict[str, Any]:
    """A choice as the page lists it; its values by split and outcome."""
    row, test = choice_row(name, choice), choice["test"]
    values = {"validation": {each["name"]: each["validation"] for each in choice["outcomes"]}}
    if test is not None:
        values["test"] = {each["name"]: each["value"] for each in test["outcomes"]}
    return {
        **{"name": name, "wish": row["wish"], "promised": row["promised"], "dial": row["dial"], "values": values},
        "weights": [row["weights"][objective] for objective in objectives],
    }


def _dial(point: Mapping[str, Any], first: Mapping[str, Any]) -> float | None:
    """The dial of a point; None if it differs between the objectives. Fronts of earlier versions have none, which is 1."""
    dial = point.get("dial", 1.0 if point["betas"] == first["betas"] else None)
    return None if dial is None or isinstance(dial, list) else float(dial)


def _is_known(*values: Any) -> bool:
    return all(isinstance(value, int | float) and math.isfinite(value) for value in values) and bool(values)
