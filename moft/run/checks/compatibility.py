"""Checks before training that method, model, sampler and profile of a run are compatible."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args, get_type_hints

import torch

from moft.engine.checks.return_values import checked_number
from moft.engine.checks.sampler_draws import checked_grid
from moft.engine.choices.wish_settings import check_wishes
from moft.engine.fronts.edge_weights import edge_weights
from moft.engine.policies.dedicated_models import NearestPolicy, SoupPolicy
from moft.engine.training.adaptive_sampling import check_evaluated_before_end
from moft.engine.training.trainer_settings import evaluated_epochs
from moft.errors import ConfigError, DataError, ShapeError
from moft.files.cache_folder import writable_cache_folder
from moft.interfaces import (
    ChecksInputs,
    ChecksLabels,
    Context,
    EarlyChecks,
    InputCheck,
    KnowsModelSpec,
    Method,
    NamedMetrics,
    Policy,
    ProvidesFeatures,
    ReadsFeatures,
    Task,
)
from moft.interfaces.method import UsesAdaptiveSampler
from moft.run.report.front_record import reference_point, validation_reference_point
from moft.run.run_settings import ProfileSettings, RunSettings
from moft.run.validation_split import evaluators_of
from moft.types import Objective, Tradeoff, betas_of
from moft.types.objective import check_objective_names


def check_fit(method: Method[Policy], task: Task) -> None:
    """Checks that a method supports the model of a task, if both can say so before training.

    Raises:
        ConfigError: it does not.
        DataError: the model depends on data that are missing or malformed.
    """
    if isinstance(task, KnowsModelSpec) and isinstance(method, EarlyChecks):
        method.check(task.objectives, task.model_spec)


def check_adaptive_sampler(settings: RunSettings, m: int) -> None:
    """Checks that the policy is evaluated during training if the method has an adaptive sampler, which needs the values.

    Raises:
        ConfigError: it is not, or too late.
    """
    method, trainer = settings.method, settings.trainer
    if isinstance(method, UsesAdaptiveSampler) and method.is_adaptive(m):
        check_evaluated_before_end(evaluated_epochs(trainer.epochs, trainer.evaluations), trainer.epochs)


def check_profile(settings: ProfileSettings, objectives: Sequence[Objective]) -> None:
    """Checks that a front over these objectives can be measured; indicators are called once, with the weights as values.

    Raises:
        ConfigError: a name of an objective is not allowed, or the grid or the reference point does not fit the objectives.
        PluginError: the grid's sampler or an indicator fails, or returns something invalid.
    """
    check_objective_names(objectives)
    m = len(objectives)
    reference_point(settings.reference, m)
    validation_reference_point(settings, m)
    try:
        grid = checked_grid(settings.grid(m), settings.points, m)
    except ConfigError as error:
        if str(error).startswith("["):
            raise
        raise ConfigError(f"[profile.points] {error}") from error
    try:
        Tradeoff(grid, betas_of(objectives)).checked()
    except ShapeError as error:
        raise ConfigError(f"[profile.grid] gives invalid weights: {error}") from error
    for indicator in settings.indicators:
        checked_number(indicator, grid, grid)


def points_to_measure(profile: ProfileSettings, m: int) -> tuple[int, int]:
    """How many points of the grid of m objectives, and how many more on its edges, are measured, beside the base model."""
    grid = len(checked_grid(profile.grid(m), profile.points, m))
    return grid, len(edge_weights(m, profile.edges)[0]) if m > 2 and grid > 1 else 0


def check_before_training(settings: RunSettings) -> tuple[str, ...]:
    """All that is known before training, for commands that do not train; `moft train` calls `check_run` with its own task.

    Returns: what could not be checked, in sentences.

    Raises:
        ConfigError: settings are not compatible with each other, the data or the base model.
        DataError: data or base model are missing, or cannot be trained on.
        PluginError: a component fails.
    """
    return check_run(settings, task_to_check(settings))


def task_to_check(settings: RunSettings) -> Task:
    """The task of a run, on the CPU, for checks."""
    return settings.task(Context(torch.device("cpu"), settings.seed, writable_cache_folder()))


def check_run(settings: RunSettings, task: Task) -> tuple[str, ...]:
    """The same with a task that is built already, and not yet prepared."""
    if isinstance(settings.method, ReadsFeatures) and not isinstance(task, ProvidesFeatures):
        raise ConfigError(
            f"[method] {type(settings.method).__name__} grows trees on features in columns, and the task "
            f"{type(task).__name__} has none; use another method, such as cos-dpo."
        )
    check_profile(settings.profile, task.objectives)
    check_adaptive_sampler(settings, len(task.objectives))
    check_wishes(settings.choices, [objective.name for objective in task.objectives])
    if settings.choices and settings.trainer.sharding == "full":
        raise ConfigError("[choices] are made by one process, which a sharded policy has not; use `moft choose` after training.")
    front = evaluators_of(settings.profile, task).front
    found = task.check_inputs() if isinstance(task, ChecksInputs) else InputCheck()
    unchecked = found.unchecked
    try:
        check_fit(settings.method, task)
    except DataError as error:
        if isinstance(task, ChecksInputs):
            raise
        unchecked += (f"whether the method fits the model: {error}",)  # such a task may still make its data
    if found.sample is not None and isinstance(settings.method, ChecksLabels):
        settings.method.check_labels(task.objectives, found.sample)
    if found.sample is not None and isinstance(front, NamedMetrics):
        front.check_labels([found.sample], is_whole=False)
    return unchecked


def check_trains_one_model(method: Any) -> None:
    """Checks that a method trains one model, by the annotated type of its policy: only such a policy can be sharded.

    Raises:
        ConfigError: it trains several.
    """
    try:
        annotated = get_type_hints(type(method).policy).get("return")
    except (NameError, TypeError):  # names imported only for type checkers; such a policy is refused when it is built
        return
    for policy in get_args(annotated) or (annotated,):
        if isinstance(policy, type) and issubclass(policy, NearestPolicy | SoupPolicy):
            raise ConfigError(
                f"[trainer.sharding] 'full' is for methods that train one model, such as cos-dpo; {type(method).__name__} trains "
                "several at the same time. Set sharding: none."
            )
