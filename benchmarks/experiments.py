"""Trains and measures policies from a config file, with the base ranker of each data set trained once."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from moft import cache_folder
from moft.engine.fronts.base_model import base_values
from moft.engine.fronts.hypervolume import hypervolume
from moft.engine.fronts.profile import profiled
from moft.engine.seed import seed_initialisation
from moft.engine.training.job_records import NoRecords, TrainingCost
from moft.engine.training.trainer import AccelerateTrainer
from moft.hooks.plugin_manager import Plugins
from moft.interfaces import Context, Policy, Problem
from moft.run.run_config import read_settings
from moft.run.validation import validation_grid
from moft.types import Front, ListValues, Tradeoff


@dataclass(frozen=True)
class Outcome:
    """One trained policy.

    Args:
        front: on the split, over the grid asked for.
        base: what the base model reaches there.
        seconds: of training the policy, evaluations included, on the clock.
        processor: the same in seconds of processor time, which other programs on the machine disturb little.
        policy: itself.
        account: jobs, seconds and parameters of its training.
        config: resolved.
        data: identity of the lists.
    """

    front: Front
    base: ListValues
    seconds: float
    processor: float
    policy: Policy
    account: TrainingCost
    config: Mapping[str, Any]
    data: Mapping[str, Any]


class Accounts(NoRecords):
    """Keeps what the jobs of a training took."""

    def __init__(self) -> None:
        self.whole = TrainingCost()

    def finish(self, job: str, weights: Mapping[str, torch.Tensor], account: TrainingCost) -> None:
        self.whole = self.whole + account


@dataclass
class Experiments:
    """Runs of one config file under overrides; tasks are prepared once for each set of their settings.

    Args:
        config: the file.
        usual: overrides of every run.
    """

    config: Path
    usual: Sequence[str] = ()
    _tasks: dict[str, Any] = field(default_factory=dict)

    def run(self, overrides: Sequence[str], *, split: str, weights: torch.Tensor | None = None) -> Outcome:
        """Trains one policy and measures it.

        Args:
            overrides: as for `--set`.
            split: to measure on.
            weights: `[n, m]`, where to measure; None for the config's grid. The best weights on the validation split are
                chosen by hypervolume over the same points.
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

        watched = validation_grid(settings.profile, m) if weights is None else weights

        def validate(policy: Policy) -> dict[str, float]:
            front = profiled(policy, task, evaluator, Tradeoff(watched, problem.betas), "validation")
            if len(watched) == 1:
                return {"hypervolume": float((front.points[0] * watched[0]).sum())}
            return {"hypervolume": hypervolume(front.points, torch.zeros(m))}

        def measure(policy: Policy, tradeoff: Tradeoff) -> torch.Tensor:
            return profiled(policy, task, evaluator, tradeoff, "validation").points

        problem = Problem(task, validate, measure)
        seed_initialisation(settings.seed, "policy")
        policy = settings.method.policy(problem)
        started, busy = time.perf_counter(), time.process_time()
        costs = Accounts()
        settings.method.train(policy, problem, AccelerateTrainer(settings.trainer, seed=settings.seed, records=costs))
        seconds, processor = time.perf_counter() - started, time.process_time() - busy
        front = profiled(policy, task, evaluator, Tradeoff(grid, problem.betas), split)
        base, data = base_values(task, evaluator, split), task.identity()
        return Outcome(front, base, seconds, processor, policy, costs.whole, resolved.plain, data)


def plain_model(weights: Sequence[float]) -> list[str]:
    """Overrides that train an unconditioned model for one weighting."""
    return [f"method.sampler={{name: fixed, value: {list(weights)}}}", "method.conditioner=null"]
