"""The contract of methods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from moft.engine.fronts.profile import unmeasured
from moft.engine.policies.state_dict import own_state
from moft.engine.seed import seed_initialisation
from moft.engine.training.job_records import NoRecords, TrainingCost
from moft.engine.training.trainer import AccelerateTrainer
from moft.engine.training.trainer_settings import TrainerSettings
from moft.interfaces import Method, Policy, Problem, Task
from moft.testing.contracts.assertions import own_randomness, require, require_finite, require_same
from moft.testing.contracts.policy import check_policy
from moft.testing.toy import toy_task

_EPOCHS = 2
_SEED = 0


def check_method(method: Method[Any], task: Task | None = None) -> None:
    """Checks what every method promises, by training on a small task, four times.

    A policy that keeps the contract of policies, untrained and trained; training that changes finite parameters, in place; the
    same policy for the same seed; jobs that a resumed run had finished are not trained again, and give the same policy;
    weights that a new, untrained policy takes over and then does the same.

    Args:
        method: to check.
        task: prepared, with at least two lists in a batch; None is the toy task.

    Raises:
        AssertionError: what was promised, what was seen, and on which input.
    """
    problem = unmeasured(task if task is not None else toy_task(lists=16))
    batch = next(iter(problem.task.batches("test")))
    untrained, start = _untrained(method, problem), _untrained(method, problem)
    require(isinstance(untrained, Policy), "a policy", type(untrained).__name__, "policy(problem)")
    _check_same(start, untrained, "the same policy for the same seed", "policy(problem), twice")
    check_policy(untrained, batch, problem.betas)
    records = _Kept()
    trained = _trained(method, problem, records)
    on = f"train, {_EPOCHS} epochs"
    moved = [name for name, value in own_state(trained).items() if not torch.equal(value, own_state(start)[name])]
    require(bool(moved), "training changes the policy in place", "every parameter is as it was", on)
    for name, value in own_state(trained).items():
        require_finite(value.float(), "what is trained is finite", f"{name}, {on}")
    require(bool(records.jobs), "everything is trained as a job of the trainer", "no job ended", on)
    check_policy(trained, batch, problem.betas)
    _check_same(_trained(method, problem, _Kept()), trained, "the same policy for the same seed", "train, twice")
    taken = records.steps
    resumed = _trained(method, problem, records)
    promise = "a job that had finished is not trained again"
    require(records.steps == taken, promise, f"{records.steps - taken} more steps", "train, resumed at its end")
    _check_same(resumed, trained, "the same policy after a resume", "train, resumed at its end")
    start.load_state_dict(trained.state_dict())
    _check_same(start, trained, "an untrained policy takes saved weights over", "load_state_dict")


class _Kept(NoRecords):
    """Keeps the weights of jobs that ended, and counts steps."""

    def __init__(self) -> None:
        self.jobs: dict[str, Mapping[str, Tensor]] = {}
        self.steps = 0

    def finished(self, job: str) -> Mapping[str, Tensor] | None:  # type: ignore[override]
        return self.jobs.get(job)

    def finish(self, job: str, weights: Mapping[str, Tensor], account: TrainingCost) -> None:
        self.jobs[job] = {name: value.clone() for name, value in weights.items()}

    def step(self, step: int, values: Mapping[str, float | str]) -> None:
        self.steps += 1


def _untrained(method: Method[Any], problem: Problem) -> Any:
    with own_randomness():
        seed_initialisation(_SEED, "policy")
        return method.policy(problem)


def _trained(method: Method[Any], problem: Problem, records: _Kept) -> Any:
    policy = _untrained(method, problem)
    settings = TrainerSettings(epochs=_EPOCHS, learning_rate=1e-2, evaluations=1, device="cpu")
    with own_randomness():
        trainer = AccelerateTrainer(settings, seed=_SEED, records=records, resume=bool(records.jobs))
        method.train(policy, problem, trainer)
    return policy.eval()


def _check_same(found: Any, expected: Any, promise: str, on: str) -> None:
    ours, theirs = own_state(found), own_state(expected)
    require(ours.keys() == theirs.keys(), promise, f"parameters {sorted(ours.keys() ^ theirs.keys())} in one only", on)
    for name, value in theirs.items():
        require_same(ours[name].float(), value.float(), promise, f"{name}, {on}", tolerance=0.0)
