"""Mappings of datasets whose rows tell by their columns what they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moft_llm.data.files.file_formats import Row
from moft_llm.data.readers.mapping.column_reader import Columns
from moft_llm.data.readers.mapping.label_mapping import LabelColumn
from moft_llm.data.readers.transcripts import LAST

_RATING: dict[str, float | None] = {"N/A": None}
_MARGIN = LabelColumn("preference_strength", kind="margin", sign=-1, range=(-3, 3))
_VOTES = LabelColumn("preference", kind="margin", values={"0": 0, "1": 1, "2": -1}, range=(-1, 1))
_QA = {"question", "passages", "preference", *(f"prediction {number}" for number in range(1, 5))}


def known_mapping(path: str, row: Row) -> Columns | None:
    """The mapping for rows like this one; None if they are of no dataset that is known.

    Args:
        path: of the data.
        row: the first one.
    """
    columns, first = row.values.keys(), row.values
    if {"instruction", "completions"} <= columns and (aspects := _aspects(first["completions"])):
        ratings = {
            name: LabelColumn(f"completions[*].annotations.{name}.Rating", values=dict(_RATING), range=(1, 5)) for name in aspects
        }
        return Columns(path, dict(ratings), prompt="instruction", responses="completions[*].response")
    if {"prompt", "response_1", "response_2", "preference_strength"} <= columns:
        return Columns(path, {"overall": _MARGIN}, responses=["response_1", "response_2"])
    if {"prompt", "answers"} <= columns and _has(first["answers"], "answer", "rank"):
        ranks = {"overall": LabelColumn("answers[*].rank", kind="rank")}
        is_chat = isinstance(first["prompt"], str) and LAST in first["prompt"]
        return Columns(path, dict(ranks), responses="answers[*].answer", turns="messages" if is_chat else "text")
    if columns >= _QA:
        predictions = [f"prediction {number}" for number in range(1, 5)]
        return Columns(path, {"overall": _VOTES}, prompt="question: {question} context: {passages}", responses=predictions)
    if {"prompt", "completion", "label"} <= columns:
        return Columns(path, {"good": "label"}, response="completion")
    return None


def _aspects(completions: Any) -> list[str]:
    """The aspects that the first completion is rated for."""
    first = completions[0] if isinstance(completions, list) and completions else None
    given = first.get("annotations") if isinstance(first, Mapping) and "response" in first else None
    return (
        [name for name, value in given.items() if isinstance(value, Mapping) and "Rating" in value]
        if isinstance(given, Mapping)
        else []
    )


def _has(entries: Any, *names: str) -> bool:
    """Whether the first entry of a list has some keys."""
    return (
        isinstance(entries, list)
        and bool(entries)
        and isinstance(entries[0], Mapping)
        and all(name in entries[0] for name in names)
    )
