"""The trainer: every job of a run goes through it, on whatever device Accelerate finds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager

import torch
from torch import Generator, Tensor, nn

from moft.engine.checks.return_values import checked_losses
from moft.engine.checks.sampler_draws import checked_draws
from moft.engine.distributed.fsdp import is_sharded
from moft.engine.distributed.processes import check_launch
from moft.engine.policies.state_dict import load_whole
from moft.engine.seed import generator_for
from moft.engine.training.boosting_loop import run_boosting
from moft.engine.training.ensemble.ensemble_groups import groups_of
from moft.engine.training.jobs.job_records import NoRecords, Records, TrainingCost
from moft.engine.training.trainer_settings import TrainerSettings
from moft.engine.training.training_job import BoostingJob, Job, TrainerState, TrainingJob
from moft.engine.training.training_loop import TrainingLoop
from moft.errors import ConfigError, PluginError, RunError
from moft.interfaces import Feedback, Sampler, Trainer
from moft.types import Batch, Batches, Nouns


class AccelerateTrainer(Trainer):
    """AdamW on Accelerate: one process, or several under `torchrun`.

    Args:
        settings: of the run.
        seed: of the run.
        records: where checkpoints and values go; None keeps nothing.
        resume: True takes up jobs from their records, False starts them anew.
        nouns: what messages call lists.
    """

    def __init__(
        self,
        settings: TrainerSettings,
        *,
        seed: int,
        records: Records | None = None,
        resume: bool = False,
        nouns: Nouns = Nouns(),  # noqa: B008 - a frozen record
    ) -> None:
        from accelerate import Accelerator

        if settings.threads is not None:
            torch.set_num_threads(settings.threads)
        if settings.device == "cuda" and not torch.cuda.is_available():
            raise RunError("[trainer.device] 'cuda' was asked for, and torch finds no CUDA device; allowed here: auto, cpu.")
        accelerator = Accelerator(cpu=settings.is_cpu)
        check_launch(settings.sharding, accelerator.num_processes)
        records = NoRecords() if records is None else records
        self._state = TrainerState(settings, accelerator, records, seed, Generator(), accelerator.device, nouns)
        self._resume = resume

    @property
    def settings(self) -> TrainerSettings:
        """Of the run."""
        return self._state.settings

    @property
    def device(self) -> torch.device:
        """Where training is."""
        return self._state.device

    @property
    def is_main(self) -> bool:
        """True in the one process that writes files."""
        return bool(self._state.accelerator.is_main_process)

    @property
    def precision(self) -> str:
        return self.settings.precision

    def autocast(self) -> AbstractContextManager[None]:
        context: AbstractContextManager[None] = self._state.autocast()
        return context

    def note(self, text: str) -> None:
        if self.is_main:
            self._state.records.note(text)

    def draw(self, sampler: Sampler, per_list: int = 1, *, shared: bool = False) -> Tensor:
        state = self._state
        if not state.lists:
            raise PluginError("Trainer.draw can only be called within the `loss_of` that Trainer.minimise was given.")
        drawn = checked_draws(sampler, per_list if shared else state.lists * per_list, state.generator)
        whole = drawn.reshape(-1, per_list, drawn.shape[-1]).expand(state.lists, -1, -1)  # [lists, per_list, size]
        share = whole[state.accelerator.process_index :: state.accelerator.num_processes]
        return (share if len(share) else whole[:1]).to(state.device)

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
        if not is_sharded(module):
            module.to(self.device)

        def losses_of(batch: Batch, models: Sequence[int]) -> Tensor:
            return checked_losses(loss_of(batch), len(batch), job).unsqueeze(0)  # [1, batch]

        measure = None if evaluate is None else lambda models: [evaluate()]
        epochs, rate = epochs or self.settings.epochs, learning_rate or self.settings.learning_rate
        self._train(
            TrainingJob(
                name=job,
                order=job,
                module=module,
                models=[module],
                batches=batches,
                losses_of=losses_of,
                evaluate=measure,
                best=best,
                epochs=epochs,
                learning_rate=rate,
                feedback=feedback,
            )
        )

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
        if is_sharded(modules):
            raise ConfigError(f"[trainer.sharding] 'full' trains one model at a time, and {job!r} trains {len(modules)}.")
        modules.to(self.device)
        epochs, rate = epochs or self.settings.epochs, learning_rate or self.settings.learning_rate
        ensemble = TrainingJob(
            name=job,
            order=job,
            module=modules,
            models=list(modules),
            batches=batches,
            losses_of=losses_of,
            evaluate=evaluate,
            best=best,
            epochs=epochs,
            learning_rate=rate,
        )
        for group in groups_of(ensemble, self._state, resume=self._resume):
            self._train(group)

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
        boosted = BoostingJob(name=job, module=module, models=[module], best=best, rounds=rounds, grow=grow, evaluate=evaluate)
        if not self._is_finished(boosted):
            run_boosting(boosted, self._state, self._state.records.latest(job) if self._resume else None)

    def once(self, job: str, work: Callable[[], Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
        if self._resume and (finished := self._state.records.finished(job)) is not None:
            return finished
        started = time.perf_counter()
        learned = work()
        seconds = time.perf_counter() - started
        if self.is_main:
            self._state.records.finish(job, learned, TrainingCost(1, seconds, seconds, 0))
        return learned

    def _train(self, job: TrainingJob) -> None:
        """Runs the training loop of a job, or loads its weights where the records of a resumed run have it finished."""
        state = self._state
        if self._is_finished(job):
            return
        loop = TrainingLoop(job, state)
        state.generator.manual_seed(generator_for(state.seed, job.name, "draws").initial_seed())
        try:
            if self._resume and (checkpoint := state.records.latest(job.name)) is not None:
                loop.restore(checkpoint)
            loop.run()
        finally:
            loop.close()

    def _is_finished(self, job: Job) -> bool:
        """True if the records of a resumed run have the job finished; its weights are loaded then."""
        weights = self._state.records.finished(job.name) if self._resume else None
        if weights is not None:
            load_whole(job.module, weights, job.name)
        return weights is not None
