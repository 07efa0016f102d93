"""A choice of a run in words, for the report and for its picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def wish_words(wish: Mapping[str, Any]) -> str:
    """A wish as it was given: its bounds, and then its goal."""
    if wish["maximise"] is not None:
        goal = f"maximise {wish['maximise']}"
    elif wish["share"]:
        goal = "share " + ", ".join(f"{name}={value:g}" for name, value in wish["share"].items())
    elif isinstance(wish["like"], int):
        goal = f"like point {wish['like']} of the front"
    else:
        goal = "like " + ", ".join(f"{name}={value:.4g}" for name, value in (wish["like"] or {}).items())
    return "; ".join([*(f"keep {bound}" for bound in wish["keep"]), goal])


def promise_words(choice: Mapping[str, Any]) -> str:
    """With which confidence the bounds hold, and which one was asked for."""
    if not choice["bounds"]:
        return "no bounds"
    word = "yes" if choice["is_promised"] else "no"
    return f"{word}, {choice['confidence']:.3f} (asked: {choice['wish']['confidence']:g})"


def choice_row(name: str, choice: Mapping[str, Any]) -> dict[str, Any]:
    """What a report says of a choice; `tested` is what was measured on the test split, by outcome."""
    tested = choice["test"]["outcomes"] if choice["test"] is not None else []
    return {
        **{"name": name, "wish": wish_words(choice["wish"]), "weights": choice["weights"], "dial": choice["dial"]},
        **{"promised": promise_words(choice), "tested": {outcome["name"]: outcome for outcome in tested}},
    }
