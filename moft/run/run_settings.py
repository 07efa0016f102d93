"""The settings of a config file, as dataclasses."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le

from moft.config.secret_variables import has_secret
from moft.engine.choices.wish_settings import WishSettings
from moft.engine.training.trainer_settings import TrainerSettings
from moft.errors import ConfigError
from moft.interfaces import Evaluator, Indicator, Method, Sampler, Task, Tracker
from moft.setting_types import Default, Factory, Seed

MOST_POINTS = 10_000
"""Largest number of points of a measured grid."""

Split = Literal["train", "validation", "test"]


def _usual_indicators() -> Any:
    """Default indicators, by name as in a config file."""
    return ["spacing", "coverage", "monotonicity"]


@dataclass(frozen=True)
class ProfileSettings:
    """How a policy is measured.

    Args:
        evaluator: the metric.
        validation_evaluator: the metric that selects the best weights during training, if `evaluator` takes too long; null for
            the same metric.
        grid: the sampler whose grid gives the objective weights.
        indicators: numbers about the front, in addition to its hypervolume.
        points: number of points of the grid, at most 10,000.
        validation_points: number of points of the grid that is measured during training; null for the vertices and the centroid.
        edges: extra points between every two vertices, for the pictures of up to 7 objectives; 0 for none.
        split: the split that is measured for the results.
        reference: reference point of the hypervolume, one value for each objective; null for the origin.
        validation_reference: the same during training; null for `reference`, or for the origin with a `validation_evaluator`,
            which has other values.
        bootstrap_samples: number of bootstrap samples for the intervals, 2 to 1,000,000.
    """

    evaluator: Factory[Evaluator]
    grid: Annotated[Factory[Sampler], Default("dirichlet")]
    indicators: list[Indicator] = field(default_factory=_usual_indicators)
    validation_evaluator: Factory[Evaluator] | None = None
    points: Annotated[int, Ge(1), Le(MOST_POINTS)] = 11
    validation_points: Annotated[int, Ge(1), Le(MOST_POINTS)] | None = None
    edges: Annotated[int, Ge(0), Le(1_000)] = 3
    split: Split = "test"
    reference: list[float] | None = None
    validation_reference: list[float] | None = None
    bootstrap_samples: Annotated[int, Ge(2), Le(1_000_000)] = 1000


@dataclass(frozen=True)
class RunSettings:
    """A config file.

    Args:
        task: the data, and the model that is tuned.
        method: how the policy is trained.
        profile: how the policy is measured.
        trainer: how losses are minimised.
        seed: of all random numbers, at most 2^63 - 1.
        plugins: files of further plugins, such as ./mine.py.
        trackers: services that runs are logged to, in addition to the files of the run folder.
        choices: wishes by name, for which weights and a dial are chosen once the front is measured, as `moft choose` does. Their
            outcomes are objectives, and `main`.
    """

    task: Factory[Task]
    method: Annotated[Method[Any], Default("cos-dpo")]
    profile: ProfileSettings
    trainer: TrainerSettings = field(default_factory=TrainerSettings)
    seed: Seed = 0
    plugins: tuple[str, ...] = ()
    trackers: tuple[Factory[Tracker], ...] = ()
    choices: dict[str, WishSettings] = field(default_factory=dict)


def plugin_files(files: Any) -> list[str]:
    """The files of plugins that a config names.

    Raises:
        ConfigError: it is not a list of files, or two have the same name.
    """
    if not isinstance(files, list | tuple) or not all(isinstance(file, str) for file in files):
        raise ConfigError(f"plugins: must be a list of files such as ['./mine.py'], got {files!r}.")
    for file in files:
        if has_secret(file):
            raise ConfigError(f"plugins: {file!r}: the place of a file cannot be a secret; give the variable another name.")
    names = [Path(file).name for file in files]
    if len(set(names)) < len(names):
        raise ConfigError(
            f"plugins: two files have the same name, in {files!r}; a run keeps a copy of each, so names must differ."
        )
    return list(files)
