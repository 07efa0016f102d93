"""The trainer: every job of a run goes through it, on whatever device Accelerate finds."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Generator, Tensor, nn

from moft.engine.checks.return_values import losses_per_list
from moft.engine.checks.sampler_draws import draws_of
from moft.engine.distributed.fsdp import check_launch, is_sharded
from moft.engine.policies.dedicated_models import side_by_side
from moft.engine.policies.state_dict import load_whole
from moft.engine.seed import generator_for
from moft.engine.training.ensemble import fitting
from moft.engine.training.job_records import NoRecords, Records, TrainingCost
from moft.engine.training.trainer_settings import TrainerSettings
from moft.engine.training.training_loop import Loop, TrainerState, TrainingJobs
from moft.errors import ConfigError, PluginError, RunError
from moft.interfaces import Feedback, Sampler, Trainer
from moft.types import Batch, Batches


class AccelerateTrainer(Trainer):
    """AdamW on Accelerate: one process, or several under `torchrun`.

    Args:
        settings: of the run.
        seed: of the run.
        records: where checkpoints and values go.
        resume: True takes up jobs from their records, False starts them anew.
    """

    def __init__(self, settings: TrainerSettings, *, seed: int, records: Records | None = None, resume: bool = False) -> None:
        from accelerate import Accelerator

        if settings.threads is not None:
            torch.set_num_threads(settings.threads)
        if settings.device == "cuda" and not torch.cuda.is_available():
            raise RunError("[trainer.device] 'cuda' was asked for, and torch finds no CUDA device; allowed here: auto, cpu.")
        accelerator = Accelerator(cpu=settings.is_cpu)
        check_launch(settings.sharding, accelerator.num_processes)
        kept: Records = records if records is not None else NoRecords()
        self._shop = TrainerState(settings, accelerator, kept, seed, Generator(), accelerator.device)
        self._resume = resume

    @property
    def settings(self) -> TrainerSettings:
        """Of the run."""
        return self._shop.settings

    @property
    def device(self) -> torch.device:
        """Where training is."""
        return self._shop.device

    @property
    def is_main(self) -> bool:
        """True in the one process that writes files."""
        return bool(self._shop.accelerator.is_main_process)

    def draw(self, sampler: Sampler, per_list: int = 1, *, shared: bool = False) -> Tensor:
        shop = self._shop
        if not shop.lists:
            raise PluginError("Trainer.draw is for the loss that Trainer.minimise calls; nothing can be drawn anywhere else.")
        drawn = draws_of(sampler, per_list if shared else shop.lists * per_list, shop.generator)
        whole = drawn.reshape(-1, per_list, drawn.shape[-1]).expand(shop.lists, -1, -1)  # [lists, per_list, size]
        own = whole[shop.accelerator.process_index :: shop.accelerator.num_processes]
        return (own if len(own) else whole[:1]).to(shop.device)

    @property
    def precision(self) -> str:
        return self.settings.precision

    def autocast(self) -> AbstractContextManager[None]:
        context: AbstractContextManager[None] = self._shop.autocast()
        return context

    def note(self, text: str) -> None:
        if self.is_main:
            self._shop.records.note(text)

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
        self._train(
            TrainingJobs(
                name=job,
                order=job,
                module=module,
                models=[module],
                batches=batches,
                losses_of=lambda batch, models: losses_per_list(loss_of(batch), len(batch), job).unsqueeze(0),
                evaluate=None if evaluate is None else lambda models: [evaluate()],
                best=best,
                epochs=epochs or self.settings.epochs,
                rate=learning_rate or self.settings.learning_rate,
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
        count, size, start = len(modules), 0, 0
        while start < count:
            kept = self._kept_group(job, start, count)
            if kept is None and size == 0:
                size = self.settings.models_at_once or self._fitting(modules, batches, losses_of)
            group = kept or range(start, min(start + size, count))
            self._train(
                TrainingJobs(
                    name=_group_name(job, group, count),
                    order=job,
                    module=nn.ModuleList(modules[index] for index in group),
                    models=[modules[index] for index in group],
                    batches=batches,
                    losses_of=_within(group, losses_of),
                    evaluate=None if evaluate is None else _values_within(group, evaluate),
                    best=best,
                    epochs=epochs or self.settings.epochs,
                    rate=learning_rate or self.settings.learning_rate,
                )
            )
            start = group.stop

    def once(self, job: str, work: Callable[[], Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
        if self._resume and (kept := self._shop.records.finished(job)) is not None:
            return kept
        started = time.perf_counter()
        found = work()
        seconds = time.perf_counter() - started
        if self.is_main:
            self._shop.records.finish(job, found, TrainingCost(1, seconds, seconds, 0))
        return found

    def _train(self, jobs: TrainingJobs) -> None:
        """From the records of the jobs, or from the start, to the end."""
        shop = self._shop
        if self._resume and (weights := shop.records.finished(jobs.name)) is not None:
            load_whole(jobs.module, weights, jobs.name)
            return
        loop = Loop(jobs, shop)
        shop.generator.manual_seed(generator_for(shop.seed, jobs.name, "draws").initial_seed())
        try:
            if self._resume and (state := shop.records.latest(jobs.name)) is not None:
                loop.restore(state)
            loop.run()
        finally:
            loop.close()

    def _kept_group(self, job: str, start: int, count: int) -> range | None:
        """The models from `start` on that a resumed run has in one group: trained, or begun and of no more than asked for."""
        if not self._resume:
            return None
        records = self._shop.records
        groups = [range(start, stop) for stop in range(count, start, -1)]
        for group in groups:
            if records.finished(_group_name(job, group, count)) is not None:
                return group
        begun = [group for group in groups if records.latest(_group_name(job, group, count)) is not None]
        most = self.settings.models_at_once or count
        kept = next((group for group in begun if len(group) <= most), None)
        for group in begun:
            if self.is_main and group != kept:
                records.forget(_group_name(job, group, count))
        return kept

    def _fitting(
        self,
        modules: nn.ModuleList,
        batches: Callable[[Generator], Batches],
        losses_of: Callable[[Batch, Sequence[int]], Tensor],
    ) -> int:
        """How many of the modules fit; seen on the batches of most and of fewest lists, where items or lists are longest."""
        data = batches(Generator().manual_seed(0))
        plans = [max(data.plan, key=len), min(data.plan, key=len)]
        losses = [lambda plan=plan: losses_of(data.load(plan), (0,)) for plan in plans]
        takes_turns = self.device.type == "cpu" and self._shop.accelerator.num_processes == 1
        with nullcontext() if takes_turns else side_by_side(), self._shop.autocast():
            here = torch.tensor([fitting(list(modules), losses, self.device)], device=self.device)
        return int(self._shop.accelerator.gather(here).min())  # every process has to train the same groups


def _group_name(job: str, group: range, count: int) -> str:
    """Of the job that trains models of a group, of `count` in all."""
    if len(group) == count:
        return job
    last = f"-to-{group.stop}" if len(group) > 1 else ""
    return f"{job}-{group.start + 1}{last}-of-{count}"


def _within(
    group: Sequence[int], losses_of: Callable[[Batch, Sequence[int]], Tensor]
) -> Callable[[Batch, Sequence[int]], Tensor]:
    """The losses of a group's models, by their index within it."""
    return lambda batch, models: losses_of(batch, [group[index] for index in models])


def _values_within(
    group: Sequence[int], evaluate: Callable[[Sequence[int]], Sequence[Mapping[str, float]]]
) -> Callable[[Sequence[int]], Sequence[Mapping[str, float]]]:
    """The values of a group's models, by their index within it."""
    return lambda models: evaluate([group[index] for index in models])
