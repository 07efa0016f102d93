"""Predicts what outcomes to expect at any weights, from what was measured for the latest choice of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from moft.engine.choices.surrogate import surrogate_of
from moft.engine.choices.wish_settings import MOST_MEASURED
from moft.errors import ConfigError, RunError
from moft.files.expected_keys import check_expected, read_expected
from moft.run.folder.layout_version import check_schema
from moft.run.folder.run_folder import RunFolder
from moft.run.policy.choices.choice_files import OUTCOMES, SCHEMA
from moft.run.policy.policy_files import policy_hash
from moft.suggestions import one_line

_RECORD = {
    **{"policy": str, "names": [str], "held_out": {"error": [float], "share": [float], "tau": [float]}},
    "surrogate": {"weights": [[float]], "dials": [float], "means": [[float]], "base": [float], "kernel": [float]},
}
_AGAIN = "Remove it and run `moft choose` again."


@dataclass(frozen=True)
class Expected:
    """What to expect of an outcome.

    Args:
        value: mean over the validation split, predicted.
        error: mean absolute error of such predictions, by leaving out one measurement at a time.
        base: value of the base model.
    """

    value: float
    error: float
    base: float


def expected_outcomes(folder: RunFolder, weights: Tensor, dial: float) -> dict[str, Expected]:
    """What to expect, by outcome.

    Args:
        folder: of the run.
        weights: `[1, m]`.
        dial: factor on the trained betas.

    Raises:
        ConfigError: nothing was measured for a choice yet.
        RunError: the file is damaged, or it is of another policy.
    """
    record = measured_outcomes(folder, weights.shape[1])
    if record is None:
        raise ConfigError(f"{folder.path}: has no measurements to predict outcomes from; `moft choose` makes them.")
    own, file = record["surrogate"], folder.choices / OUTCOMES
    try:
        with np.errstate(over="raise", invalid="raise"):
            values = surrogate_of(own).predict(weights, torch.tensor([dial]))
    except (ValueError, RuntimeError, ArithmeticError) as error:  # its numbers are of no surrogate
        raise RunError(f"{file}: is damaged; {one_line(error)}. {_AGAIN}") from error
    if not values.isfinite().all():
        raise RunError(f"{file}: is damaged; what it predicts is not finite. {_AGAIN}")
    rows = zip(record["names"], values[0].tolist(), record["held_out"]["error"], own["base"], strict=True)
    return {name: Expected(value, error, base) for name, value, error, base in rows}


def measured_outcomes(folder: RunFolder, m: int) -> dict[str, Any] | None:
    """What was measured for the latest choice of a run, with the surrogate; None if there was no choice.

    Args:
        folder: of the run.
        m: objectives.

    Raises:
        RunError: the file is damaged, or it is of another policy.
    """
    file = folder.choices / OUTCOMES
    if not file.exists():
        return None
    record: dict[str, Any] = read_expected(file, {}, _AGAIN)
    check_schema(record.get("schema"), SCHEMA, file)
    check_expected(record, _RECORD, file, _AGAIN)
    if record["policy"] != policy_hash(folder):
        raise RunError(f"{file}: was measured with another policy than the one of this run. {_AGAIN}")
    own = record["surrogate"]
    n, k = len(own["dials"]), len(record["names"])
    shapes = [
        len(own["weights"]) == len(own["means"]) == n,
        0 < n <= MOST_MEASURED,
        all(len(row) == m and 0 <= min(row) <= max(row) <= 1 for row in own["weights"]),
    ]
    shapes += [all(len(row) == k for row in own["means"]), len(own["base"]) == k]
    shapes += [len(own["kernel"]) == 3, min([*own["kernel"], *own["dials"]], default=0) > 0]
    if not all(shapes) or any(len(row) != k for row in record["held_out"].values()):
        raise RunError(f"{file}: is damaged; its parts do not fit together. {_AGAIN}")
    return record
