"""The verbs: what each kind of plugin does. Abstract, without state; everything else implements them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from torch import Generator, Tensor, nn

from moft.sampling import AdaptiveSampler, Attentive, Feedback, Sampler
from moft.steering import Answer, Conditioner, Model, Policy, Steered
from moft.team import Alone, ModuleT, Team
from moft.types import Batch, Batches, Front, ListValues, ModelSpec, Objective, Tradeoff, temperatures_of


@runtime_checkable
class Loss(Protocol):
    """What one objective costs on one list. Sees rewards, never scores: temperature x (score - reference)."""

    def __call__(self, rewards: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
        """Cost of each list.

        Args:
            rewards: `[..., list]`.
            labels: `[..., list]`, larger is better.
            mask: `[..., list]` bool, True where the item counts.

        Returns: `[...]`; exactly zero, without gradient, for a list that says nothing.
        """
        ...


@runtime_checkable
class Scalarizer(Protocol):
    """Makes one number of the losses of all objectives."""

    def __call__(self, losses: Tensor, weights: Tensor) -> Tensor:
        """Scalarised loss of each row.

        Args:
            losses: `[batch, m]`.
            weights: `[batch, m]`, on the simplex.

        Returns: `[batch]`.
        """
        ...


@runtime_checkable
class Evaluator(Protocol):
    """Measures a steered policy, list by list. Built with `(objectives, main)` left of its star."""

    metric: str
    """The metric with its whole convention, in words; printed with every number."""

    def __call__(self, steered: Steered, batches: Iterable[Batch]) -> ListValues:
        """The values of every tradeoff, list and objective; larger is better, NaN where a list is skipped."""
        ...


@runtime_checkable
class Lengthy(Protocol):
    """An evaluator that takes minutes: it says before training whether it can measure, and meanwhile how far it is."""

    def check(self, steered: Steered, batches: Iterable[Batch]) -> None:
        """Nothing, when a policy can be measured on these lists, trained or not.

        Raises:
            ConfigError: it cannot.
        """
        ...

    def measured(self, steered: Steered, batches: Iterable[Batch], tell: Callable[[int], None]) -> ListValues:
        """As by a call; `tell` is called with how many tradeoffs are done, whenever one is."""
        ...


@runtime_checkable
class Telling(Protocol):
    """A module of a policy, such as a conditioner, that tells in words what it learned."""

    def findings(self) -> Sequence[str]:
        """Sentences for the notes of every front that is measured of the policy."""
        ...


@runtime_checkable
class Indicator(Protocol):
    """Makes one number of a front."""

    name: str
    meaning: str
    """What the number says and in which unit, in one sentence; printed with it."""

    def __call__(self, points: Tensor, weights: Tensor) -> float:
        """The indicator's value.

        Args:
            points: `[n, m]`, larger is better.
            weights: `[n, m]`, the weights that each point was asked for.
        """
        ...


@runtime_checkable
class Scorer(Protocol):
    """Makes one number of a response to a prompt."""

    meaning: str
    """What the number says and in which unit, in one sentence; printed with it."""

    def __call__(self, prompts: Sequence[str], responses: Sequence[str]) -> Tensor:
        """The score of each response, which depends on no other one.

        Args:
            prompts: n texts, what each response answers.
            responses: n texts, any of which may be empty, or cut off where it was full.

        Returns: `[n]` float32 on the CPU, finite, larger is better.
        """
        ...


@runtime_checkable
class Tracker(Protocol):
    """Sends what happens in one run to where its user looks at runs. Built with a `Run` left of its star.

    Building it opens and sends nothing; a `ConfigError` there, such as for a library that is missing, ends the run before it
    begins. What a method raises is reported once, and the run goes on.
    """

    def run_started(self) -> None:
        """The run begins, or goes on after a resume."""
        ...

    def step_ended(self, step: int, values: Mapping[str, float | str]) -> None:
        """A step of a job ended; arguments are those of the hook `moft_step_ended`."""
        ...

    def front_profiled(self, front: Front) -> None:
        """The policy was measured; `front.json`, `front.csv` and `front.png` are in the run folder."""
        ...

    def run_ended(self, error: BaseException | None) -> None:
        """The run ended; `error` is None when it ended well."""
        ...


@dataclass(frozen=True)
class Context:
    """What the engine gives a task to work with.

    Args:
        device: where data and models live.
        seed: the run's seed; a task derives its own generators from it.
        cache: a folder for what is costly to read again.
        team: the processes that the run is shared by.
    """

    device: torch.device
    seed: int
    cache: Path
    team: Team = field(default_factory=Alone)

    def placed(self, module: ModuleT) -> ModuleT:
        """`module` where it computes: on the device, or where models are split, a part of it on that of every process."""
        return self.team.sharded(module) if self.team.is_sharding else module.to(self.device)


class Trainer(ABC):
    """Minimises losses. Everything that is trained in a run is a job of its trainer, so that all of it resumes."""

    @abstractmethod
    def draw(self, sampler: Sampler, per_list: int = 1, *, shared: bool = False) -> Tensor:
        """`[batch, per_list, size]`, draws for the lists of the batch that `loss_of` is called with.

        With `shared` every list of the batch has the same ones. They come from the job's own generator, which a checkpoint
        keeps, and are the same however many processes share a batch. Valid inside `loss_of` only.
        """

    @property
    @abstractmethod
    def precision(self) -> str:
        """`float32` or `bf16`: what forward passes in training compute in."""

    @abstractmethod
    def autocast(self) -> AbstractContextManager[None]:
        """Makes forward passes within the block compute as those in training; evaluation is always in the weights' precision."""

    @abstractmethod
    def note(self, text: str) -> None:
        """Keeps one sentence that a reader of the run's results should know; the same one twice counts once."""

    @abstractmethod
    def minimise(
        self,
        job: str,
        module: nn.Module,
        batches: Callable[[Generator], Batches],
        loss_of: Callable[[Batch], Tensor],
        *,
        evaluate: Callable[[], Mapping[str, float]] | None = None,
        best: str | None = None,
        feedback: Feedback | None = None,
        epochs: int | None = None,
        learning_rate: float | None = None,
    ) -> None:
        """Trains `module` in place; a job that a resumed run had finished is loaded instead.

        Args:
            job: name of the job, unique within the run.
            module: holds every parameter that `loss_of` uses and that is to be trained.
            batches: one pass over the data in an order drawn from the generator it is given.
            loss_of: batch to `[batch]`, one loss per list, so that means are right over ragged batches,
                accumulation and processes.
            evaluate: values to report now and then during training, larger is better for `best`.
            best: the value of `evaluate` whose best weights are kept; None keeps the last.
            feedback: of an adaptive sampler, which is told after each evaluation; its state is kept in checkpoints.
            epochs: passes over the data, when not the trainer's own setting.
            learning_rate: peak rate, when not the trainer's own setting.

        Raises:
            RunError: loss or gradient is not finite; the last good checkpoint stays.
            ConfigError: there is `feedback`, and no evaluation that any step follows.
        """

    @abstractmethod
    def minimise_each(
        self,
        job: str,
        modules: nn.ModuleList,
        batches: Callable[[Generator], Batches],
        losses_of: Callable[[Batch, Sequence[int]], Tensor],
        *,
        evaluate: Callable[[Sequence[int]], Sequence[Mapping[str, float]]] | None = None,
        best: str | None = None,
        epochs: int | None = None,
        learning_rate: float | None = None,
    ) -> None:
        """Trains n modules of one shape in place, each as if it were alone, on the same batches and together as one ensemble.

        Every module has its own loss, clipping and best weights. Where memory is too small for all, they are trained in groups.

        Args:
            job: name of the jobs, unique within the run.
            modules: n of them, which share no parameter that is to be trained.
            batches: one pass over the data in an order drawn from the generator it is given.
            losses_of: batch and k of the modules, by index, to `[k, batch]`; row i depends on the i-th of these modules alone.
                It draws nothing, and may be called from several threads at once, for one module each.
            evaluate: values of k of the modules to report now and then, larger is better for `best`.
            best: the value of `evaluate` whose best weights are kept, for each module; None keeps the last.
            epochs: passes over the data, when not the trainer's own setting.
            learning_rate: peak rate, when not the trainer's own setting.

        Raises:
            RunError: loss or gradient of a module is not finite; the last good checkpoint stays.
        """

    @abstractmethod
    def once(self, job: str, work: Callable[[], Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
        """What `work` learns without the trainer's loop, as a job; a resumed run that had finished it is given what was kept.

        Args:
            job: name of the job, unique within the run.
            work: learns; deterministic for the run's seed. With several processes, each of them does it.
        """


class Task(Protocol):
    """Where lists come from and what model scores them. Built with a `Context` left of its star."""

    objectives: tuple[Objective, ...]
    main: Objective | None

    def prepare(self, trainer: Trainer) -> None:
        """Learns from the training split what stands before any policy (feature scaling, the base model)."""
        ...

    def state(self) -> Mapping[str, Tensor]:
        """What was learned before the policy, to be saved beside it."""
        ...

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Takes back a saved `state` in place of `prepare`; needs no training data."""
        ...

    def model(self, tradeoff_size: int) -> Model:
        """A fresh model to tune, drawn from the global generator that the engine has seeded."""
        ...

    def batches(self, split: str, generator: Generator | None = None) -> Batches:
        """One pass over a split (`train`, `validation` or `test`), in an order drawn from `generator`, or in a fixed one."""
        ...

    def read(self, path: Path) -> Batches:
        """The lists of a file, to be scored; labels may be absent there."""
        ...

    def identity(self) -> Mapping[str, Any]:
        """What was measured on what: content hashes and sizes of the data, the split, the reference."""
        ...


@dataclass(frozen=True)
class Problem:
    """What a method is given.

    Args:
        task: lists, labels and the base model, prepared.
        validate: measures a policy on the validation split: indicators by name, and objectives at their vertices.
        measure: values of a policy on the validation split, `[n, m]`, at the n rows of a tradeoff.
    """

    task: Task
    validate: Callable[[Policy], Mapping[str, float]]
    measure: Callable[[Policy, Tradeoff], Tensor]

    @property
    def temperatures(self) -> Tensor:
        """`[1, m]`, the objectives' own temperatures."""
        return temperatures_of(self.task.objectives)


@runtime_checkable
class Foreseen(Protocol):
    """A task that knows its model before anything is trained, so that what does not fit is refused at once."""

    def foreseen(self, tradeoff_size: int) -> ModelSpec:
        """The spec of the model that `model(tradeoff_size)` will give, without `starts`; loads no weights and trains nothing.

        Raises:
            DataError: it depends on data that are not there.
        """
        ...


@runtime_checkable
class Foreseeing(Protocol):
    """A method that knows whether it goes with a model before there is one."""

    def check(self, objectives: Sequence[Objective], spec_of: Callable[[int], ModelSpec]) -> None:
        """Nothing, when it goes with the objectives and the model.

        Args:
            objectives: of the task.
            spec_of: width of the vector that conditioners read, to the spec of the model.

        Raises:
            ConfigError: as `policy` would.
        """
        ...


PolicyT = TypeVar("PolicyT", bound=Policy)


class Method(Protocol[PolicyT]):
    """A way to come by a policy."""

    def policy(self, problem: Problem) -> PolicyT:
        """An untrained policy; also the shell that saved weights are loaded into."""
        ...

    def train(self, policy: PolicyT, problem: Problem, trainer: Trainer) -> None:
        """Trains `policy` in place, as jobs of `trainer`."""
        ...


__all__ = [
    "AdaptiveSampler",
    "Answer",
    "Attentive",
    "Conditioner",
    "Context",
    "Evaluator",
    "Feedback",
    "Foreseeing",
    "Foreseen",
    "Indicator",
    "Lengthy",
    "Loss",
    "Method",
    "Model",
    "Policy",
    "Problem",
    "Sampler",
    "Scalarizer",
    "Scorer",
    "Steered",
    "Task",
    "Team",
    "Telling",
    "Tracker",
    "Trainer",
]
