"""The interface of methods, which train a policy for a problem."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

from torch import Tensor

from moft.interfaces.policy import Policy
from moft.interfaces.task import Task
from moft.interfaces.trainer import Trainer
from moft.types import Batch, ModelSpec, Objective, Tradeoff, betas_of


@dataclass(frozen=True)
class Problem:
    """What a method is given.

    Args:
        task: lists, labels and the base model, prepared.
        validate: measures a policy on the validation split: `hypervolume`, `main`, and each objective at its vertex.
        measure: values of a policy on the validation split at the n rows of a tradeoff, `[n, m]`.
    """

    task: Task
    validate: Callable[[Policy], Mapping[str, float]]
    measure: Callable[[Policy, Tradeoff], Tensor]

    @property
    def betas(self) -> Tensor:
        """`[1, m]`, the objectives' own betas."""
        return betas_of(self.task.objectives)


@runtime_checkable
class EarlyChecks(Protocol):
    """A method that can tell before there is a model whether it will fit."""

    def check(self, objectives: Sequence[Objective], spec_of: Callable[[int], ModelSpec]) -> None:
        """Checks that the method fits the objectives and the model.

        Args:
            objectives: of the task.
            spec_of: the spec of the model, from the width of the vector that conditioners read.

        Raises:
            ConfigError: as `policy` would.
        """
        ...


@runtime_checkable
class ChecksLabels(Protocol):
    """A method that can tell before training whether its losses take the labels of the data."""

    def check_labels(self, objectives: Sequence[Objective], batch: Batch) -> None:
        """Tries the losses on some labels.

        Args:
            objectives: of the task.
            batch: some training lists; only `labels`, `mask`, `items` and `reference` are to be used.

        Raises:
            ConfigError: as `train` would.
            DataError: as `train` would.
        """
        ...


PolicyT = TypeVar("PolicyT", bound=Policy)


class Method(Protocol[PolicyT]):
    """A way to train a policy."""

    def policy(self, problem: Problem) -> PolicyT:
        """An untrained policy; also the shell that saved weights are loaded into."""
        ...

    def train(self, policy: PolicyT, problem: Problem, trainer: Trainer) -> None:
        """Trains `policy` in place, as jobs of `trainer`."""
        ...


@runtime_checkable
class ReadsFeatures(Protocol):
    """A method whose models read the features of items as they are, and so need a task that provides them."""

    reads_features: bool
    """True; such a method is refused before training where the task is no `ProvidesFeatures`."""


@runtime_checkable
class UsesAdaptiveSampler(Protocol):
    """A method that may draw from an adaptive sampler, and can tell before training whether it does."""

    def is_adaptive(self, m: int) -> bool:
        """True if its sampler for m objectives needs values of the policy during training."""
        ...
