"""The interface of trainers, which minimise losses as jobs that can be resumed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager

from torch import Generator, Tensor, nn

from moft.interfaces.sampler import Feedback, Sampler
from moft.types import Batch, Batches


class Trainer(ABC):
    """Minimises losses. Everything that is trained in a run is a job of its trainer, so that all of it can be resumed."""

    @abstractmethod
    def draw(self, sampler: Sampler, per_list: int = 1, *, shared: bool = False) -> Tensor:
        """`[batch, per_list, size]`, draws for the lists of the batch that `loss_of` is called with.

        With `shared`, all lists of the batch get the same draws. Draws come from a generator of the job, which is part of its
        checkpoints, and do not depend on the number of processes. Can only be called within `loss_of`.
        """

    @property
    @abstractmethod
    def precision(self) -> str:
        """Of forward passes in training: `float32` or `bf16`."""

    @abstractmethod
    def autocast(self) -> AbstractContextManager[None]:
        """A block whose forward passes have the precision of training; evaluations have that of the weights."""

    @abstractmethod
    def note(self, text: str) -> None:
        """Keeps a sentence for the readers of the run's results; repeated ones are kept once."""

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
        """Trains `module` in place; if a resumed run has finished the job, its weights are loaded instead.

        Args:
            job: name of the job, unique within the run.
            module: holds every parameter that `loss_of` uses and that is to be trained.
            batches: one pass over the data, in an order drawn from the generator.
            loss_of: batch to `[batch]`, one loss per list; the trainer averages them over batches of different sizes,
                accumulation and processes.
            evaluate: called now and then during training; its values are recorded.
            best: the value of `evaluate`, larger is better, whose best weights are kept; None keeps the last weights.
            feedback: for an adaptive sampler, which gets values after each evaluation; its state is part of checkpoints.
            epochs: passes over the data; None takes the trainer's setting.
            learning_rate: peak rate; None takes the trainer's setting.

        Raises:
            RunError: a loss or gradient is not finite; the last checkpoint is kept.
            ConfigError: there is `feedback`, and no evaluation before the last epoch.
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
        """Trains n modules of one shape as an ensemble on the same batches, each as if `minimise` trained it alone.

        Every module has its own loss, gradient norm and best weights. If they do not fit into memory, they are trained in groups.

        Args:
            job, batches, best, epochs, learning_rate: as for `minimise`.
            modules: share no parameter that is to be trained.
            losses_of: batch and indices of k modules to `[k, batch]`; row i depends on the i-th of these modules alone. It
                cannot call `draw`, and may be called from several threads at once, for one module each.
            evaluate: values of k modules, from their indices.

        Raises:
            RunError: a loss or gradient is not finite; the last checkpoint is kept.
        """

    @abstractmethod
    def boost(
        self,
        job: str,
        module: nn.Module,
        rounds: Sequence[int],
        grow: Callable[[int, Generator], Iterator[Mapping[str, float]]],
        *,
        evaluate: Callable[[], Mapping[str, float]] | None = None,
        best: str | None = None,
    ) -> None:
        """Grows `module` in place, such as boosted trees, in chunks of rounds without gradients of its parameters.

        After each chunk there is a checkpoint, and the module may be evaluated. With several processes, each grows the same.

        Args:
            job: name of the job, unique within the run.
            module: its state is all that a chunk leaves behind.
            rounds: of each chunk.
            grow: grows a chunk, by its number from 0, and yields the values of each round, such as `loss`. Its draws come from
                the generator, which is seeded for the chunk; what it does depends on these and on the state of the module
                alone, so that a resumed run grows the same. It may end early.
            evaluate: called after some chunks, and after the last one; its values are recorded.
            best: the value of `evaluate`, larger is better, whose best state is kept; None keeps the last one.

        Raises:
            RunError: the `loss` of a round is not finite; the last checkpoint is kept.
        """

    @abstractmethod
    def once(self, job: str, work: Callable[[], Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
        """What `work` learns without the training loop, as a job; if a resumed run has finished it, what was kept.

        Args:
            job: name of the job, unique within the run.
            work: returns what it learned, the same for the same seed. With several processes, each calls it.
        """
