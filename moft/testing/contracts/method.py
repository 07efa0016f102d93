"""The contract of methods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from moft.engine.fronts.measure_front import problem_without_validation
from moft.engine.policies.state_dict import own_state
from moft.engine.seed import seed_initialisation
from moft.engine.training.jobs.job_records import NoRecords, TrainingCost
from moft.engine.training.trainer import AccelerateTrainer
from moft.engine.training.trainer_settings import TrainerSettings
from moft.interfaces import Method, Policy, Problem, Task
from moft.testing.contracts.assertions import forked_randomness, require, require_finite, require_same
from moft.testing.contracts.policy import check_policy
from moft.testing.toy_task_and_policy import toy_task

_EPOCHS = 2
_SEED = 0


def check_method(method: Method[Any], task: Task | None = None) -> None:
    """Checks the contract of methods, by training on a small task, four times.

    The policy meets the contract of policies, untrained and trained. Training changes it in place, and its parameters stay
    finite. The same seed gives the same policy. A resumed run does not repeat finished jobs and gives the same policy. A new
    policy that loads the saved weights is the same.

    Args:
        method: to check.
        task: prepared, with at least two lists in a batch; None is the toy task.

    Raises:
        AssertionError: a rule is broken; the message gives the rule, what was found and the input.
    """
    problem = problem_without_validation(task if task is not None else toy_task(lists=16))
    batch = next(iter(problem.task.batches("test")))
    untrained, start = _untrained(method, problem), _untrained(method, problem)
    require(isinstance(untrained, Policy), "a policy", type(untrained).__name__, "policy(problem)")
    _check_same(start, untrained, "the same policy for the same seed", "policy(problem), twice")
    check_policy(untrained, batch, problem.betas)
    records = _RecordsInMemory()
    trained = _trained(method, problem, records)
    on = f"train, {_EPOCHS} epochs"
    changed = [name for name, value in own_state(trained).items() if not torch.equal(value, own_state(start)[name])]
    require(bool(changed), "training changes the policy in place", "no parameter has changed", on)
    for name, value in own_state(trained).items():
        require_finite(value.float(), "trained parameters are finite", f"{name}, {on}")
    require(bool(records.jobs), "training is done in jobs of the trainer", "no job ended", on)
    check_policy(trained, batch, problem.betas)
    _check_same(_trained(method, problem, _RecordsInMemory()), trained, "the same policy for the same seed", "train, twice")
    steps = records.steps
    resumed = _trained(method, problem, records)
    rule = "a job that had finished is not trained again"
    require(records.steps == steps, rule, f"{records.steps - steps} more steps", "train, resumed at its end")
    _check_same(resumed, trained, "the same policy after a resume", "train, resumed at its end")
    start.load_state_dict(trained.state_dict())
    _check_same(start, trained, "a new policy can load the saved weights", "load_state_dict")


class _RecordsInMemory(NoRecords):
    """Keeps the weights of finished jobs in memory, and counts steps."""

    def __init__(self) -> None:
        self.jobs: dict[str, Mapping[str, Tensor]] = {}
        self.steps = 0

    def finished(self, job: str) -> Mapping[str, Tensor] | None:  # type: ignore[override]
        return self.jobs.get(job)

    def finish(self, job: str, weights: Mapping[str, Tensor], cost: TrainingCost) -> None:
        self.jobs[job] = {name: value.clone() for name, value in weights.items()}

    def step(self, step: int, values: Mapping[str, float | str]) -> None:
        self.steps += 1


def _untrained(method: Method[Any], problem: Problem) -> Any:
    with forked_randomness():
        seed_initialisation(_SEED, "policy")
        return method.policy(problem)


def _trained(method: Method[Any], problem: Problem, records: _RecordsInMemory) -> Any:
    policy = _untrained(method, problem)
    settings = TrainerSettings(epochs=_EPOCHS, learning_rate=1e-2, evaluations=1, device="cpu")
    with forked_randomness():
        trainer = AccelerateTrainer(settings, seed=_SEED, records=records, resume=bool(records.jobs))
        method.train(policy, problem, trainer)
    return policy.eval()


def _check_same(found: Any, expected: Any, rule: str, on: str) -> None:
    ours, theirs = own_state(found), own_state(expected)
    require(ours.keys() == theirs.keys(), rule, f"parameters {sorted(ours.keys() ^ theirs.keys())} in one only", on)
    for name, value in theirs.items():
        require_same(ours[name].float(), value.float(), rule, f"{name}, {on}", tolerance=0.0)
