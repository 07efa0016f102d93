"""Trains and measures policies from a config file with overrides; the base ranker of each dataset is trained once."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from moft import cache_folder
from moft.engine.fronts.base_model_policy import base_values
from moft.engine.fronts.hypervolume import hypervolume
from moft.engine.fronts.measure_front import measure_front
from moft.engine.seed import seed_initialisation
from moft.engine.training.jobs.job_records import NoRecords, TrainingCost
from moft.engine.training.trainer import AccelerateTrainer
from moft.hooks.plugin_manager import Plugins
from moft.interfaces import Context, Evaluator, Policy, Problem, Task
from moft.run.run_config import read_settings
from moft.run.validation_split import validation_grid
from moft.types import Front, ListValues, Tradeoff


@dataclass(frozen=True)
class Outcome:
    """A trained policy and its measurements.

    Args:
        front: of the policy, on the requested split and grid.
        base: values of the base model on the same split.
        seconds: wall time of training the policy, evaluations included.
        processor: processor time of the same, which other programs on the machine affect less.
        policy: the policy.
        cost: jobs, seconds and parameters of its training.
        config: resolved config.
        data: identity of the data.
        dialled: the policy measured at further multiples of the betas.
        task: prepared.
        evaluator: the metric.
    """

    front: Front
    base: ListValues
    seconds: float
    processor: float
    policy: Policy
    cost: TrainingCost
    config: Mapping[str, Any]
    data: Mapping[str, Any]
    dialled: Mapping[float, Front]
    task: Task
    evaluator: Evaluator


class CostRecords(NoRecords):
    """Adds up the costs of the jobs of a training."""

    def __init__(self) -> None:
        self.total = TrainingCost()

    def finish(self, job: str, weights: Mapping[str, torch.Tensor], account: TrainingCost) -> None:
        self.total = self.total + account


@dataclass
class Experiments:
    """Runs of one config file with overrides. A task is prepared once and reused by runs with the same task settings.

    Args:
        config: the file.
        usual: overrides of every run.
    """

    config: Path
    usual: Sequence[str] = ()
    _tasks: dict[str, Any] = field(default_factory=dict)

    def run(
        self, overrides: Sequence[str], *, split: str, weights: torch.Tensor | None = None, dials: Sequence[float] = ()
    ) -> Outcome:
        """Trains one policy and measures it.

        Args:
            overrides: as for `--set`.
            split: to measure on.
            weights: `[n, m]`, weightings to measure at; None for the config's grid. The best checkpoint is selected by the
                hypervolume on the validation split over the same weightings.
            dials: multiples of the betas to measure at, too.
        """
        plugins = Plugins()
        plugins.load(disable=["console"])
        resolved = read_settings(self.config, [*self.usual, *overrides], plugins)
        settings = resolved.make()
        key = str([text for text in overrides if text.startswith(("task.", "seed"))])
        if key not in self._tasks:
            self._tasks[key] = settings.task(Context(torch.device("cpu"), settings.seed, cache_folder()))
            self._tasks[key].prepare(AccelerateTrainer(settings.trainer, seed=settings.seed))
        task = self._tasks[key]
        evaluator = settings.profile.evaluator(task.objectives, task.main)
        m = len(task.objectives)
        grid = settings.profile.grid(m).grid(settings.profile.points).float() if weights is None else weights

        validated = validation_grid(settings.profile, m) if weights is None else weights

        def validate(policy: Policy) -> dict[str, float]:
            front = measure_front(policy, task, evaluator, Tradeoff(validated, problem.betas), "validation")
            if len(validated) == 1:
                return {"hypervolume": float((front.points[0] * validated[0]).sum())}
            return {"hypervolume": hypervolume(front.points, torch.zeros(m))}

        def measure(policy: Policy, tradeoff: Tradeoff) -> torch.Tensor:
            return measure_front(policy, task, evaluator, tradeoff, "validation").points

        problem = Problem(task, validate, measure)
        seed_initialisation(settings.seed, "policy")
        policy = settings.method.policy(problem)
        wall_start, processor_start = time.perf_counter(), time.process_time()
        costs = CostRecords()
        settings.method.train(policy, problem, AccelerateTrainer(settings.trainer, seed=settings.seed, records=costs))
        seconds, processor = time.perf_counter() - wall_start, time.process_time() - processor_start
        front, *others = (
            measure_front(policy, task, evaluator, Tradeoff(grid, problem.betas * dial), split) for dial in (1.0, *dials)
        )
        base, data = base_values(task, evaluator, split), task.identity()
        dialled = dict(zip(dials, others, strict=True))
        return Outcome(front, base, seconds, processor, policy, costs.total, resolved.plain, data, dialled, task, evaluator)


def dedicated_model(weights: Sequence[float]) -> list[str]:
    """Overrides that train a dedicated model for one weighting: fixed weights, no conditioner."""
    return [f"method.sampler={{name: fixed, value: {list(weights)}}}", "method.conditioner=null"]
