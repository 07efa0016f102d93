"""What an export of a ranker is: the record that its pages and snippets are written from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import moft
from moft_ltr.base.base_source import BaseSource, RankerReader
from moft_ltr.export.example_rows import ExampleCase
from moft_ltr.export.exported_policy import ExportedPolicy, base_kind
from moft_ltr.export.lightgbm_files import BASE, MODEL, sum_names, weight_columns
from moft_ltr.export.onnx_file import feature_columns

if TYPE_CHECKING:
    from moft import NamedChoice, OpenedRun


@dataclass(frozen=True, eq=False)
class Exported:
    """An export.

    Args:
        form: `lightgbm` or `onnx`.
        run: that was exported.
        policy: of the run.
        reader: of arrays.
        base: where base scores come from.
        rows: `[documents, columns]`, of examples.
        cases: their scores.
        choices: of the run, by name: weights by objective, and dial.
        files: names of the files with models.
        chosen: the choice whose weights are inside; None for others.
    """

    form: str
    run: OpenedRun
    policy: ExportedPolicy
    reader: RankerReader
    base: BaseSource
    rows: NDArray[np.float32]
    cases: Sequence[ExampleCase]
    choices: Mapping[str, tuple[Mapping[str, float], float]]
    files: Sequence[str]
    chosen: NamedChoice | None = None

    @property
    def name(self) -> str:
        """Of the run."""
        return self.run.folder.path.resolve().name

    @property
    def is_steered(self) -> bool:
        """Whether weights are inputs."""
        return self.policy.tradeoff is None

    @property
    def is_sum(self) -> bool:
        """Whether there is a LightGBM model for each term of a sum."""
        return f"{MODEL}.txt" not in self.files and self.form == "lightgbm"

    @property
    def reads_lists(self) -> bool:
        """Whether a document's score depends on the other documents of its query."""
        return not self.policy.trees or (self.base.network is not None and self.form == "onnx")

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the features, in order."""
        return feature_columns(self.reader, self.base) if self.form == "onnx" else self.reader.features

    @property
    def in_model(self) -> list[str]:
        """What the LightGBM model calls the features, and then, if they are columns, the weights."""
        return weight_columns(self.reader.features, self.run.names)

    def record(self) -> dict[str, Any]:
        """The content of `features.json`."""
        objectives = list(self.run.names)
        own = [{"name": name} for name in self.columns]
        for each, called in zip(own, self.in_model, strict=False):
            if self.form == "lightgbm":
                each["in_model"] = called
        features: list[dict[str, Any]] = [
            {**each, "categories": list(self.reader.categories[each["name"]])}
            if each["name"] in self.reader.categories
            else {**each}
            for each in own
        ]
        found: dict[str, Any] = {"format": self.form, "run": self.name, "moft": moft.__version__, "objectives": objectives}
        found |= {"features": features, "missing": "NaN", "base": base_kind(self.base)}
        if not self.is_steered:
            found |= {"weights": self.cases[0].weights, "dial": self.dial}
        elif self.form == "lightgbm":
            found["dial"] = self.dial
            if self.is_sum:
                names = dict(zip(objectives, (f"{name}.txt" for name in sum_names(objectives)), strict=True))
                found["sum"] = {"base": f"{BASE}.txt", "objectives": names}
            else:
                found["weight_columns"] = dict(zip(objectives, self.in_model[len(self.columns) :], strict=True))
        if len(self.columns) < len(self.reader.features):
            found["base_scores"] = self.reader.features[-1]
        return found | {"choices": {name: {"weights": dict(at), "dial": dial} for name, (at, dial) in self.choices.items()}}

    @property
    def dial(self) -> float | list[float]:
        """Of the first example: one factor, or one for each objective."""
        return self.cases[0].dial

    def examples(self) -> dict[str, Any]:
        """The content of `examples.json`, with NaN for what is missing."""
        rows = [[float(str(value)) for value in row] for row in self.rows]  # with as many digits as 32 bits need
        cases = [{"weights": dict(case.weights), "dial": case.dial, "scores": list(case.scores)} for case in self.cases]
        has_column = len(self.columns) < len(self.reader.features)
        return {
            "features": [row[: len(self.columns)] for row in rows],
            "base_scores": [row[-1] for row in rows] if has_column else None,
            "cases": cases,
        }
