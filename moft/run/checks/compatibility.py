"""Whether a method goes with a task's model, and the measuring with its objectives, told before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args, get_type_hints

import torch

from moft.engine.checks.return_values import number_of
from moft.engine.checks.sampler_draws import grid_of
from moft.engine.losses.objective_losses import check_objective_names
from moft.engine.policies.dedicated_models import NearestPolicy, SoupPolicy
from moft.engine.training.adaptive_sampling import check_evaluated_before_end, evaluated_epochs
from moft.errors import ConfigError, DataError, ShapeError
from moft.files.cache_folder import cache_folder
from moft.interfaces import Context, EarlyChecks, KnowsModelSpec, Method, Policy, Task
from moft.interfaces.method import UsesAdaptiveSampler
from moft.run.report.front_record import reference_point, validation_reference_point
from moft.run.run_settings import ProfileSettings, RunSettings
from moft.types import Objective, Tradeoff, betas_of


def check_fit(method: Method[Policy], task: Task) -> None:
    """Nothing, when a method goes with the model that a task will give, as far as both can tell; it is not changed by that.

    Raises:
        ConfigError: it does not.
        DataError: the task's data, on which the model depends, are not there or faulty.
    """
    if isinstance(task, KnowsModelSpec) and isinstance(method, EarlyChecks):
        method.check(task.objectives, task.model_spec)


def check_adaptive_sampler(settings: RunSettings, m: int) -> None:
    """Nothing, when a method's adaptive sampler, if it has one, is told what the policy reaches while it is trained.

    Raises:
        ConfigError: nothing is measured in time for it.
    """
    method, trainer = settings.method, settings.trainer
    if isinstance(method, UsesAdaptiveSampler) and method.is_adaptive(m):
        check_evaluated_before_end(evaluated_epochs(trainer.epochs, trainer.evaluations), trainer.epochs)


def check_profile(settings: ProfileSettings, objectives: Sequence[Objective]) -> None:
    """Nothing, when a front over these objectives can be measured so; indicators are tried on values that equal the weights.

    Raises:
        ConfigError: objectives cannot be called so, or the grid or the reference point does not go with them.
        PluginError: the grid's sampler or an indicator fails, or returns what it should not.
    """
    check_objective_names(objectives)
    m = len(objectives)
    reference_point(settings.reference, m)
    validation_reference_point(settings, m)
    grid = grid_of(settings.grid(m), settings.points, m)
    try:
        Tradeoff(grid, betas_of(objectives)).checked()
    except ShapeError as error:
        raise ConfigError(f"[profile.grid] lays out what cannot be measured: {error}") from error
    for indicator in settings.indicators:
        number_of(indicator, grid, grid)


def early_misfit(settings: RunSettings) -> str:
    """Why it cannot be known yet whether a run's method goes with its model; empty where it does.

    Raises:
        ConfigError: it does not go.
        PluginError: a component that is asked fails.
    """
    task = settings.task(Context(torch.device("cpu"), settings.seed, cache_folder()))
    check_profile(settings.profile, task.objectives)
    check_adaptive_sampler(settings, len(task.objectives))
    try:
        check_fit(settings.method, task)
    except DataError as error:
        return str(error)
    return ""


def refuse_ensembles(method: Any) -> None:
    """Nothing, unless the policy of a method is known to hold several models; told by what its `policy` is annotated to give.

    Raises:
        ConfigError: it is.
    """
    try:
        given = get_type_hints(type(method).policy).get("return")
    except (NameError, TypeError):  # names that are imported for type checkers alone; such a policy is refused when it is built
        return
    for policy in get_args(given) or (given,):
        if isinstance(policy, type) and issubclass(policy, NearestPolicy | SoupPolicy):
            raise ConfigError(
                f"[trainer.sharding] 'full' is for methods that train one model, such as cos-dpo; {type(method).__name__} trains "
                "several side by side. Set sharding: none."
            )
