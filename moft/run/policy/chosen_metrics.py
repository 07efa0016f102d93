"""The metrics that a policy is measured with again, in place of those of its run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from moft.errors import ConfigError
from moft.interfaces import Evaluator, NamedMetrics, Task
from moft.run.run_settings import ProfileSettings
from moft.run.validation_split import check_named_metrics
from moft.suggestions import nearest
from moft.types import Objective

ObjectiveT = TypeVar("ObjectiveT", Objective, Objective | None)


def parse_metrics(given: Sequence[str], task: Task) -> dict[str, tuple[str, ...]]:
    """The metrics of objectives by name, in the order of `given`.

    Args:
        given: `NAME=METRIC` each, such as `revenue=value@5`; of several for one objective, the first is its value on the front.
        task: whose objectives and main objective have the names.

    Raises:
        ConfigError: there is no such objective, or no metric.
    """
    known = [each.name for each in (*task.objectives, task.main) if each is not None]
    found: dict[str, tuple[str, ...]] = {}
    for text in given:
        name, _, metric = (part.strip() for part in text.partition("="))
        if not metric:
            raise ConfigError(f"--metric {text!r}: must be an objective and a metric, such as {known[0]}=ndcg@5.")
        if name not in known:
            raise ConfigError(
                f"--metric {text!r}: there is no objective {name!r}; there are {', '.join(known)}.{nearest(name, known)}"
            )
        found[name] = (*found.get(name, ()), metric)
    return found


def with_metrics(settings: ProfileSettings, metrics: Mapping[str, tuple[str, ...]]) -> ProfileSettings:
    """The settings with an evaluator that measures these metrics in place of those that the objectives name."""
    if not metrics:
        return settings

    def changed(objective: ObjectiveT) -> ObjectiveT:
        return replace(objective, metrics=metrics.get(objective.name, objective.metrics)) if objective else objective

    def evaluator(objectives: Sequence[Objective], main: Objective | None) -> Evaluator:
        now, now_main = tuple(map(changed, objectives)), changed(main)
        made: Evaluator = settings.evaluator(now, now_main)
        check_named_metrics(made, now, now_main)
        return made

    return replace(settings, evaluator=evaluator)


def check_measurable(settings: ProfileSettings, task: Task) -> None:
    """Checks that the metrics fit the labels of the split.

    Raises:
        ConfigError: they do not, or there is no such metric.
        DataError: they do not.
    """
    evaluator: Evaluator = settings.evaluator(task.objectives, task.main)
    if isinstance(evaluator, NamedMetrics):
        evaluator.check_labels(task.batches(settings.split), is_whole=True)


def reference_notes(settings: ProfileSettings, metrics: Mapping[str, tuple[str, ...]]) -> list[str]:
    """A note where the reference point was set for other metrics."""
    if not metrics or settings.reference is None:
        return []
    return ["The reference point of the hypervolume is that of the run's config, which was set for other metrics."]


def file_safe(metric: str) -> str:
    """A metric as a part of a folder's name."""
    return re.sub(r"[^\w.@=-]+", "-", metric).strip("-")
