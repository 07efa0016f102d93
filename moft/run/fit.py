"""Whether a method goes with a task's model, and the measuring with its objectives, told before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from moft.cache import cache_folder
from moft.engine.learning import evaluated_epochs, refuse_unheard
from moft.engine.objectives import refuse_names
from moft.engine.returned import number_of
from moft.engine.sampled import grid_of
from moft.errors import ConfigError, DataError, ShapeError
from moft.interfaces import Context, Foreseeing, Foreseen, Method, Policy, Task
from moft.run.results import reference_point, validation_reference_point
from moft.run.settings import ProfileSettings, RunSettings
from moft.sampling import Attentive
from moft.types import Objective, Tradeoff, temperatures_of


def check_fit(method: Method[Policy], task: Task) -> None:
    """Nothing, when a method goes with the model that a task will give, as far as both can tell; it is not changed by that.

    Raises:
        ConfigError: it does not.
        DataError: the task's data, on which the model depends, are not there or faulty.
    """
    if isinstance(task, Foreseen) and isinstance(method, Foreseeing):
        method.check(task.objectives, task.foreseen)


def check_heard(settings: RunSettings, m: int) -> None:
    """Nothing, when a method's adaptive sampler, if it has one, is told what the policy reaches while it is trained.

    Raises:
        ConfigError: nothing is measured in time for it.
    """
    method, trainer = settings.method, settings.trainer
    if isinstance(method, Attentive) and method.listens(m):
        refuse_unheard(evaluated_epochs(trainer.epochs, trainer.evaluations), trainer.epochs)


def check_profile(settings: ProfileSettings, objectives: Sequence[Objective]) -> None:
    """Nothing, when a front over these objectives can be measured so; indicators are tried on values that equal the weights.

    Raises:
        ConfigError: objectives cannot be called so, or the grid or the reference point does not go with them.
        PluginError: the grid's sampler or an indicator fails, or returns what it should not.
    """
    refuse_names(objectives)
    m = len(objectives)
    reference_point(settings.reference, m)
    validation_reference_point(settings, m)
    grid = grid_of(settings.grid(m), settings.points, m)
    try:
        Tradeoff(grid, temperatures_of(objectives)).checked()
    except ShapeError as error:
        raise ConfigError(f"[profile.grid] lays out what cannot be measured: {error}") from error
    for indicator in settings.indicators:
        number_of(indicator, grid, grid)


def foreseen_misfit(settings: RunSettings) -> str:
    """Why it cannot be known yet whether a run's method goes with its model; empty where it does.

    Raises:
        ConfigError: it does not go.
        PluginError: a component that is asked fails.
    """
    task = settings.task(Context(torch.device("cpu"), settings.seed, cache_folder()))
    check_profile(settings.profile, task.objectives)
    check_heard(settings, len(task.objectives))
    try:
        check_fit(settings.method, task)
    except DataError as error:
        return str(error)
    return ""
