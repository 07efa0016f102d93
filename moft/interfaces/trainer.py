"""What a trainer does: it minimises losses, as jobs that can be resumed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager

from torch import Generator, Tensor, nn

from moft.interfaces.sampler import Feedback, Sampler
from moft.types import Batch, Batches


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
