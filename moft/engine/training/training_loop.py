"""The training loop that `Trainer.minimise` runs: batches, losses, gradients, optimizer steps, evaluations, checkpoints."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import nn

from moft.engine.distributed.batch_share import share_of
from moft.engine.distributed.fsdp import clip_together, is_sharded
from moft.engine.distributed.processes import broadcast_from_main
from moft.engine.seed import generator_for
from moft.engine.training.adaptive_sampling import check_feedback, inform_sampler
from moft.engine.training.ensemble.ensemble_on_cpu import CpuEnsemble
from moft.engine.training.ensemble.ensemble_timing import EnsembleTiming
from moft.engine.training.jobs.job_progress import JobProgress
from moft.engine.training.jobs.job_records import JobState
from moft.engine.training.non_finite_loss import check_finite
from moft.engine.training.optimizer import adamw, set_learning_rate
from moft.engine.training.step_schedule import Step, StepResult, steps_of_epoch
from moft.engine.training.trainer_settings import evaluated_epochs
from moft.engine.training.training_job import LossModule, TrainerState, TrainingJob
from moft.errors import RunError
from moft.types import Batches

_BLOCK = 4  # steps that an ensemble on the CPU takes before anything is recorded


class TrainingLoop:
    """Trains the models of a job, usually a single one, from the start or from a checkpoint to the last epoch.

    Args:
        job: what to train.
        state: what all jobs of the trainer share.
    """

    def __init__(self, job: TrainingJob, state: TrainerState) -> None:
        self.job, self.state, self.settings, self.accelerator = job, state, state.settings, state.accelerator
        self.progress = JobProgress(job, state)
        self.timing = EnsembleTiming(self.progress.clock, job, state)
        self.model_indices = tuple(range(len(job.models)))
        self.trained = [[parameter for parameter in model.parameters() if parameter.requires_grad] for model in job.models]
        self.max_norm, self.is_sharded = self.settings.max_grad_norm or math.inf, is_sharded(job.module)
        self.loss: nn.Module = LossModule(job)
        self.optimizers: list[Any]
        self.cpu_ensemble: CpuEnsemble | None = None
        if self.uses_cpu_ensemble:
            self.optimizers = [adamw(parameters, job, state) for parameters in self.trained]
            self.cpu_ensemble = CpuEnsemble(job, self.optimizers, self.max_norm, state.autocast)
        else:
            self.optimizers = [adamw([parameter for parameters in self.trained for parameter in parameters], job, state)]
            if not self.is_sharded:  # a sharded model gathers and reduces by itself
                self.loss, *self.optimizers = self.accelerator.prepare(self.loss, *self.optimizers)

    @property
    def uses_cpu_ensemble(self) -> bool:
        """True if each model of an ensemble is trained on a CPU core of its own; otherwise all models share every pass."""
        return len(self.model_indices) > 1 and self.state.device.type == "cpu" and self.accelerator.num_processes == 1

    def run(self) -> None:
        """Trains to the last epoch, and leaves the models with their best weights."""
        job, settings, progress = self.job, self.settings, self.progress
        evaluated = evaluated_epochs(job.epochs, settings.evaluations) if job.evaluate is not None else frozenset[int]()
        check_feedback(job.feedback, evaluated, job.epochs)
        progress.clock.start()
        for epoch in range(progress.epoch, job.epochs):
            data = job.batches(generator_for(self.state.seed, job.order, "order", epoch))
            steps = steps_of_epoch(job, settings, data, epoch)
            while block := self._next_block(steps, epoch):
                with self.timing.steps(data, block):
                    results = self.cpu_ensemble(data, block) if self.cpu_ensemble else [self._step(data, block[0])]
                for step, result in zip(block, results, strict=False):  # an ensemble stops after one that is not finite
                    check_finite(result, step, progress.step + 1, job, self.state)
                    progress.advance(step)
                    evaluation = self._evaluate() if step.is_last and progress.epoch in evaluated else {}
                    self._record(step, result, evaluation)
                    if progress.step % settings.checkpoint_steps == 0:
                        progress.save(self.optimizers)
        if progress.epoch != job.epochs:  # a checkpoint said that it is at a step that no epoch has
            place = f"step {progress.epoch_step} of epoch {progress.epoch + 1}"
            raise RunError(
                f"job {job.name!r}: its checkpoint is at {place}, which its data do not have; remove the checkpoint, or train "
                "anew with another --out."
            )
        progress.finish()
        self.state.lists = 0
        self.accelerator.wait_for_everyone()
        self.accelerator.free_memory(self.loss, *self.optimizers)

    def _next_block(self, steps: Sequence[Step], epoch: int) -> Sequence[Step]:
        """The steps to take at once: one, or up to the next checkpoint for an ensemble on the CPU. Empty after an epoch."""
        if self.progress.epoch != epoch:
            return ()
        every = self.settings.checkpoint_steps
        size = 1 if self.cpu_ensemble is None else min(_BLOCK, every - self.progress.step % every)
        return steps[self.progress.epoch_step : self.progress.epoch_step + size]

    def _step(self, data: Batches, step: Step) -> list[StepResult]:
        """Takes one optimizer step of all models, which share every pass, and returns the result of each model."""
        (optimizer,) = self.optimizers
        set_learning_rate(optimizer, step.learning_rate)
        losses, totals = [], torch.zeros(len(self.model_indices), device=self.state.device)
        for index, lists_of_batch in enumerate(step.micro_batches):
            lists, rows = share_of(lists_of_batch, self.accelerator)
            batch = data.load(lists)
            # `Trainer.draw` reads for how many lists to draw. 0 makes it raise: the models of an ensemble cannot share a draw.
            self.state.lists = len(lists_of_batch) if len(self.model_indices) == 1 else 0
            # Each process accumulates gradients by itself, and the last batch of a step averages them over the processes.
            is_last_batch = index == len(step.micro_batches) - 1
            with nullcontext() if is_last_batch or self.is_sharded else self.accelerator.no_sync(self.loss):
                with self.state.autocast():
                    values = self.loss(batch, self.model_indices).float()[:, :rows]  # [models, rows]
                # A step's loss is the sum over all processes, not the average, so it is multiplied by their number.
                self.accelerator.backward(values.sum() / step.divisor * self.accelerator.num_processes)
            losses.append(values.detach())
            totals += losses[-1].sum(1) / step.divisor
        clip = clip_together if self.is_sharded else self.accelerator.clip_grad_norm_
        norms = torch.stack([clip(parameters, self.max_norm) for parameters in self.trained])
        loss, gradient = torch.stack([self.accelerator.reduce(totals), norms]).tolist()
        results = [StepResult([rows[model] for rows in losses], loss[model], gradient[model]) for model in self.model_indices]
        if all(result.is_finite for result in results):
            optimizer.step()
        optimizer.zero_grad()
        return results

    def _evaluate(self) -> dict[str, float]:
        """Evaluates the models, keeps the weights of each that is better than before, and returns the means of the values."""
        if self.job.evaluate is None:
            return {}
        processes = self.accelerator.num_processes
        measured = broadcast_from_main([dict(values) for values in self.job.evaluate(self.model_indices)], processes)
        inform_sampler(self.job.feedback, processes)
        self.timing.evaluated(self.job.evaluate)  # may evaluate one model of an ensemble again, to time it alone
        self.progress.best.update(measured)
        return {name: sum(float(values[name]) for values in measured) / len(measured) for name in measured[0]}

    def _record(self, step: Step, results: Sequence[StepResult], evaluation: Mapping[str, float]) -> None:
        """Records a step: mean loss per list and model, largest gradient norm, evaluation if there was one, and progress."""
        lists_in_step, count = sum(map(len, step.micro_batches)), len(results)
        values: dict[str, float | str] = {"job": self.job.name} | ({"jobs": count} if count > 1 else {})
        values |= {
            "loss": sum(result.loss for result in results) / count * step.divisor / lists_in_step,
            "gradient": max(result.gradient for result in results),
            "learning_rate": step.learning_rate,
            **evaluation,
            "progress": step.end,
            "epoch": step.epoch + 1,
            "epochs": self.job.epochs,
            "seconds": self.progress.clock.seconds,
            "lists": step.lists,
        }
        if self.accelerator.is_main_process:
            self.state.records.step(self.progress.step, values)

    def restore(self, checkpoint: JobState) -> None:
        """Goes back to a checkpoint."""
        self.progress.restore(checkpoint, self.optimizers)

    def close(self) -> None:
        """Ends the threads, if there are any."""
        if self.cpu_ensemble is not None:
            self.cpu_ensemble.close()
