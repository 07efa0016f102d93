"""Predicts what outcomes to expect at any weights, from what was measured for the latest choice of a run, or for its front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from moft.engine.choices.surrogate import OutcomeSurrogate, surrogate_of
from moft.engine.choices.wish_settings import MOST_MEASURED, OutcomeNames
from moft.errors import ConfigError, RunError
from moft.files.expected_keys import check_expected, read_expected
from moft.run.folder.layout_version import check_schema
from moft.run.folder.run_folder import RunFolder
from moft.run.policy.choices.choice_files import OUTCOMES, SCHEMA
from moft.run.policy.choices.wish_checks import names_of
from moft.run.policy.policy_files import policy_hash
from moft.run.report.read_front import read_record
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


@dataclass(frozen=True)
class MeasuredOutcomes:
    """What was measured of a policy, from which the outcomes at other weights and dials are predicted.

    Args:
        names: of the outcomes.
        measured: lists `weights` `[n, m]`, `dials` `[n]`, `means` `[n, outcomes]`, `base` `[outcomes]`, and a `kernel` or None.
        split: of the data that was measured.
        told: errors of predictions by outcome, where they are known.
        source: the file, for messages.
    """

    names: OutcomeNames
    measured: Mapping[str, Any]
    split: str
    told: Sequence[float] | None
    source: str

    @cached_property
    def surrogate(self) -> OutcomeSurrogate:
        """That predicts; without a kernel, fitting it may take a second."""
        return surrogate_of(self.measured)

    @cached_property
    def errors(self) -> Sequence[float]:
        """`[outcomes]`, mean absolute errors of predictions, by leaving out one measurement at a time."""
        return self.surrogate.held_out().error if self.told is None else self.told

    @property
    def dials(self) -> tuple[float, float]:
        """Lowest and highest dial that was measured."""
        return min(self.measured["dials"]), max(self.measured["dials"])

    def predict(self, weights: Tensor, dials: Tensor) -> Tensor:
        """`[q, outcomes]` float64, predicted means.

        Args:
            weights: `[q, m]`.
            dials: `[q]`, above 0.

        Raises:
            RunError: the numbers in the file are those of no surrogate.
        """
        try:
            with np.errstate(over="raise", invalid="raise"):
                values = self.surrogate.predict(weights, dials)
        except (ValueError, RuntimeError, ArithmeticError) as error:
            raise RunError(f"{self.source}: is damaged; {one_line(error)}. {_AGAIN}") from error
        if not values.isfinite().all():
            raise RunError(f"{self.source}: is damaged; what it predicts is not finite. {_AGAIN}")
        return values

    def expected(self, weights: Tensor, dial: float) -> dict[str, Expected]:
        """What to expect, by outcome; arguments and errors are those of `predict` for one tradeoff."""
        values = self.predict(weights, torch.tensor([dial]))[0].tolist()
        rows = zip(self.names.names, values, self.errors, self.measured["base"], strict=True)
        return {name: Expected(value, error, base) for name, value, error, base in rows}


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
    file = folder.choices / OUTCOMES
    if not file.exists():
        raise ConfigError(f"{folder.path}: has no measurements to predict outcomes from; `moft choose` makes them.")
    return outcomes_of_choices(folder, None, weights.shape[1]).expected(weights, dial)


def outcomes_of_choices(folder: RunFolder, main: str | None, m: int) -> MeasuredOutcomes:
    """What was measured for the latest choice of a run.

    Args:
        folder: of the run.
        main: which outcome is also called `main`.
        m: objectives.

    Raises:
        RunError: the file is missing or damaged, or it is of another policy.
    """
    file = folder.choices / OUTCOMES
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
    names = OutcomeNames(tuple(record["names"]), main if main in record["names"] else None)
    return MeasuredOutcomes(names, own, "validation", record["held_out"]["error"], str(file))


def measured_outcomes(folder: RunFolder, betas: Tensor) -> MeasuredOutcomes:
    """What was measured for the latest choice of a run, or, before there is one, for its front.

    Args:
        folder: of the run.
        betas: `[1, m]`, of training.

    Raises:
        ConfigError: nothing was measured.
        RunError: a file is damaged, or of another policy.
    """
    if not folder.front.exists():
        raise ConfigError(f"{folder.path}: was not measured; `moft train ... --resume` measures it.")
    front = read_record(folder.front)
    names = names_of(front)
    if (folder.choices / OUTCOMES).exists():
        return outcomes_of_choices(folder, names.main, betas.shape[1])
    return outcomes_of_front(front, names, betas, str(folder.front))


def outcomes_of_front(front: Mapping[str, Any], names: OutcomeNames, betas: Tensor, source: str) -> MeasuredOutcomes:
    """What was measured for a front, at points with one dial for all objectives.

    Args:
        front: its record.
        names: of the outcomes; those without a value at a point are left out.
        betas: `[1, m]`, of training.
        source: its file.

    Raises:
        ConfigError: it has no such point, or nothing has a value.
    """

    def means(entry: Mapping[str, Any]) -> list[float | None]:
        own = dict(zip(front["objectives"], entry["values"], strict=True)) | entry.get("more", {})
        return [(own | {names.main: entry["main"]})[name] for name in names.names]

    factors = [(torch.tensor(point["betas"]) / betas[0]).tolist() for point in front["points"]]
    points = [
        (point, factor[0])
        for point, factor in zip(front["points"], factors, strict=True)
        if max(factor) <= min(factor) * (1 + 1e-4)
    ]
    rows, base = [means(point) for point, _ in points], means(front["base"])
    known = [place for place in range(len(base)) if None not in (base[place], *(row[place] for row in rows))]
    if not points or not known:
        raise ConfigError(f"{source}: has no points to predict outcomes from.")
    kept = tuple(names.names[place] for place in known)
    measured = {
        "weights": [point["weights"] for point, _ in points],
        "dials": [dial for _, dial in points],
        "means": [[row[place] for place in known] for row in rows],
        "base": [base[place] for place in known],
        "kernel": None,
    }
    return MeasuredOutcomes(
        OutcomeNames(kept, names.main if names.main in kept else None), measured, front["split"], None, source
    )
