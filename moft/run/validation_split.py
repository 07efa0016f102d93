"""How a policy is measured on the validation split while it is trained, so that its best weights can be kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from moft.engine.checks.return_values import check_metric
from moft.engine.checks.sampler_draws import checked_grid
from moft.engine.fronts.hypervolume import hypervolume
from moft.engine.fronts.measure_front import measure_front
from moft.errors import ConfigError
from moft.interfaces import Evaluator, LongEvaluator, NamedMetrics, Policy, Problem, Task
from moft.run.report.front_record import validation_reference_point
from moft.run.run_settings import ProfileSettings
from moft.types import Front, Objective, Tradeoff, betas_of

NO_HYPERVOLUME = (
    "The hypervolume on the validation split was zero or missing at every evaluation, so the policy has the last weights of "
    "training, not the best. Either no point exceeds the reference point in all objectives (lower profile.reference or "
    "profile.validation_reference), or an objective has no values."
)


@dataclass(frozen=True)
class Evaluators:
    """The evaluators of a run.

    Args:
        front: measures the front, on the split of the profile.
        validation: measures during training, on the validation split.
    """

    front: Evaluator
    validation: Evaluator


def evaluators_of(settings: ProfileSettings, task: Task) -> Evaluators:
    """The evaluators that the settings name; a run without a `validation_evaluator` has one for both purposes.

    Raises:
        ConfigError: an objective names metrics, and an evaluator has none to name.
        PluginError: one cannot be called, or does not name its metric.
    """
    front: Evaluator = settings.evaluator(task.objectives, task.main)
    chosen = settings.validation_evaluator
    validation = front if chosen is None else chosen(task.objectives, task.main)
    for evaluator in (front, validation):
        check_metric(evaluator)
        check_named_metrics(evaluator, task.objectives, task.main)
    return Evaluators(front, validation)


def check_named_metrics(evaluator: Evaluator, objectives: Sequence[Objective], main: Objective | None) -> None:
    """Checks that an evaluator measures the metrics that objectives name, if any do.

    Raises:
        ConfigError: it measures all objectives alike.
    """
    named = [each.name for each in (*objectives, main) if each is not None and each.metrics]
    if named and not isinstance(evaluator, NamedMetrics):
        raise ConfigError(
            f"the evaluator {type(evaluator).__name__} measures all objectives alike, but {named[0]!r} names its own metric; "
            "leave it out, or set another profile.evaluator."
        )


def check_metric_labels(task: Task, evaluators: Evaluators, split: str) -> None:
    """Checks that the metrics that objectives name fit the labels of the measured split, and of the validation split.

    Raises:
        ConfigError: they do not.
        DataError: they do not.
    """
    for evaluator, checked, is_whole in ((evaluators.front, split, True), (evaluators.validation, "validation", False)):
        if isinstance(evaluator, NamedMetrics):
            evaluator.check_labels(task.batches(checked), is_whole=is_whole)


def problem_of(task: Task, evaluator: Evaluator, settings: ProfileSettings, on_progress: Callable[[int, int], None]) -> Problem:
    """The problem for a method: the task, and how policies are measured on its validation split.

    Args:
        task: the task.
        evaluator: of the validation split.
        settings: give the grid and the reference point.
        on_progress: is called with how many points are measured, and how many there are, by an evaluator that takes long.
    """
    m = len(task.objectives)
    grid, reference = validation_grid(settings, m), validation_reference_point(settings, m)

    def validate(policy: Policy) -> dict[str, float]:
        tradeoffs = Tradeoff(grid, betas_of(task.objectives))
        front = measure_front(
            policy, task, evaluator, tradeoffs, "validation", on_progress=lambda done: on_progress(done, len(grid))
        )
        return _values(front, reference)

    def measure(policy: Policy, tradeoff: Tradeoff) -> Tensor:
        return measure_front(policy, task, evaluator, tradeoff, "validation").points

    return Problem(task, validate, measure)


def check_long_evaluators(
    policy: Policy, task: Task, evaluators: Evaluators, settings: ProfileSettings, *, is_validated: bool
) -> None:
    """Checks before training that evaluators that take long can measure the policy.

    Args:
        policy: untrained.
        task: prepared.
        evaluators: of the run.
        settings: of the profile.
        is_validated: whether the policy is measured during training at all.

    Raises:
        ConfigError: one cannot.
    """
    weights = validation_grid(settings, len(task.objectives))[:1]
    front, validation = (evaluators.front, settings.split), (evaluators.validation, "validation")
    for evaluator, split in (front, validation) if is_validated else (front,):
        if isinstance(evaluator, LongEvaluator):
            evaluator.check(policy.steer(Tradeoff(weights, betas_of(task.objectives))), task.batches(split))


def validation_grid(settings: ProfileSettings, m: int) -> Tensor:
    """`[n, m]`, the weights that are measured during training."""
    return checked_grid(settings.grid(m), settings.validation_points or m + 1, m)


def _values(front: Front, reference: Tensor) -> dict[str, float]:
    """Hypervolume, the main objective's mean, and every objective at the point that weights it most."""
    points, weights = front.points, front.tradeoffs.expand(len(front.tradeoffs)).weights
    values = {"hypervolume": hypervolume(points, reference)}
    if not front.main.isnan().all():
        values["main"] = front.main.mean().item()
    return values | {name: points[weights[:, index].argmax(), index].item() for index, name in enumerate(front.objectives)}
