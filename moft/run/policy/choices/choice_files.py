"""The choices of a run, in `choices/NAME.json`: weights and dial with how they were found and measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from moft.engine.choices.wish_settings import MOST_DIAL, RESERVED
from moft.errors import ConfigError, RunError, ShapeError
from moft.files.expected_keys import check_expected, read_expected
from moft.files.json import write_json
from moft.run.folder.layout_version import check_schema
from moft.run.folder.run_folder import RunFolder
from moft.run.policy.policy_files import policy_hash
from moft.suggestions import nearest
from moft.types import Tradeoff

SCHEMA = 2
"""Of the files; 1 would say that a version before 0.2.0 wrote them."""
OUTCOMES = f"{RESERVED}.json"
"""The file of the surrogate, beside the choices."""
_NUMBER = (float, None)
_RANGE = [_NUMBER]
_NUMBERS = {"*": float}
_OUTCOME = {"name": str, "base": _NUMBER, "validation": _NUMBER, "validation_ci": _RANGE, "reachable": _RANGE}
_BOUND = {"text": str, "outcome?": str, "least": _NUMBER, "holds": float, "relaxed?": (str, None), "gain?": _NUMBER}
_TESTED = {"lists": int, "outcomes": [{"name": str, "value": _NUMBER, "ci": _RANGE, "base": _NUMBER}], "held": [(bool, None)]}
_WISH = {"keep": [str], "maximise": (str, None), "share": (_NUMBERS, None), "like": (_NUMBERS, int, None), "confidence": float}
_RECORD = {
    **{"policy": str, "weights": {"*": float}, "dial": float, "wish": _WISH, "is_promised": bool, "confidence": float},
    **{"margin": float, "outcomes": [_OUTCOME], "bounds": [_BOUND], "lists": int, "new_lists": int, "measured": int},
    **{"test": (_TESTED, None), "notes": [str]},
}
_AGAIN = "Remove it and run `moft choose` again."


@dataclass(frozen=True)
class NamedChoice:
    """A choice that a run keeps.

    Args:
        name: of the choice.
        record: the content of its file.
    """

    name: str
    record: Mapping[str, Any]

    @property
    def weights(self) -> Mapping[str, float]:
        """By objective."""
        weights: Mapping[str, float] = self.record["weights"]
        return weights

    @property
    def dial(self) -> float:
        """Factor on the trained betas."""
        return float(self.record["dial"])


def choice_names(folder: RunFolder) -> list[str]:
    """Names of all choices of a run."""
    return sorted(file.stem for file in folder.choices.glob("*.json") if file.name != OUTCOMES)


def read_choice(folder: RunFolder, name: str, objectives: Sequence[str], where: str) -> NamedChoice:
    """A choice of a run.

    Args:
        folder: of the run.
        name: of the choice.
        objectives: names, in order.
        where: what the user gave, for messages.

    Raises:
        ConfigError: the run has no choice of this name.
        RunError: its file is damaged, or it was made for another policy.
    """
    file = folder.choices / f"{name}.json"
    if not file.exists() or file.name == OUTCOMES:
        known = choice_names(folder)
        there = f"its choices are {', '.join(known)}" if known else "it has none; `moft choose` makes one"
        raise ConfigError(
            f"{where} {name!r}: is neither weights, such as {_example(objectives)}, nor a choice of the run; {there}."
            f"{nearest(name, known)}"
        )
    content = read_expected(file, {}, _AGAIN)
    check_schema(content.get("schema"), SCHEMA, file)
    check_expected(content, _RECORD, file, _AGAIN)
    if set(content["weights"]) != set(objectives):
        raise RunError(f"{file}: is for the objectives {', '.join(content['weights'])}, and the run has {', '.join(objectives)}.")
    if content["policy"] != policy_hash(folder):
        raise RunError(f"{file}: was chosen for another policy than the one of this run. {_AGAIN}")
    if fault := _fault(content):
        raise RunError(f"{file}: is damaged; {fault}. {_AGAIN}")
    return NamedChoice(name, content)


def write_choice(folder: RunFolder, name: str, record: Mapping[str, Any]) -> Path:
    """Writes a choice, and returns its file."""
    folder.choices.mkdir(exist_ok=True)
    file = folder.choices / f"{name}.json"
    write_json(file, {"schema": SCHEMA, **record})
    return file


def _fault(content: Mapping[str, Any]) -> str:
    """What is wrong with the numbers of a choice, in words; empty if nothing is."""
    try:
        Tradeoff(torch.tensor([list(content["weights"].values())]), torch.ones(1, len(content["weights"]))).checked()
    except ShapeError as error:
        return str(error).rstrip(".")
    if not 1 / MOST_DIAL <= content["dial"] <= MOST_DIAL:
        return f"'dial' is {content['dial']:g}, not from {1 / MOST_DIAL:g} to {MOST_DIAL:g}"
    outcomes, bounds, test = content["outcomes"], content["bounds"], content["test"]
    sizes = [len(each["reachable"]) == 2 for each in outcomes]
    sizes += [each.get("gain") is None or each.get("relaxed") is not None for each in bounds]
    sizes += [] if test is None else [len(test["outcomes"]) == len(outcomes), len(test["held"]) == len(bounds)]
    return "" if all(sizes) else "its parts do not fit together"


def _example(objectives: Sequence[str]) -> str:
    share = round(1 / len(objectives), 3)
    return ",".join(f"{each:g}" for each in (round(1 - share * (len(objectives) - 1), 3), *[share] * (len(objectives) - 1)))
