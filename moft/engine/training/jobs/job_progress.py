"""How far a training job is: its position, best weights and clock, and how they are saved to and restored from checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from moft.engine.distributed.fsdp import is_sharded
from moft.engine.policies.state_dict import load_whole, own_state, whole_state
from moft.engine.training.jobs.best_weights import BestWeights
from moft.engine.training.jobs.job_records import JobState
from moft.engine.training.jobs.resume_state import optimizer_moments, random_states, restore_moments, restore_random_states
from moft.engine.training.step_schedule import Step
from moft.engine.training.training_clock import TrainingClock
from moft.engine.training.training_job import Job, TrainerState
from moft.errors import RunError
from moft.files.safetensors import misfit


class JobProgress:
    """The progress of a job. Of a sharded model, all processes gather what is saved, and one writes it.

    Args:
        job: that is trained.
        trainer: whose records keep the checkpoints.
    """

    def __init__(self, job: Job, trainer: TrainerState) -> None:
        self.job, self._trainer = job, trainer
        self.step = self.epoch = self.epoch_step = 0  # done so far; `epoch_step` counts within the running epoch
        self.best, self.clock = BestWeights(job), TrainingClock(trainer.device)
        self._is_main = bool(trainer.accelerator.is_main_process)
        self._takes_part = self._is_main or is_sharded(job.module)

    def advance(self, step: Step) -> None:
        """Counts a step as done."""
        self.step, self.epoch_step = self.step + 1, self.epoch_step + 1
        if step.is_last:
            self.epoch, self.epoch_step = step.epoch + 1, 0

    def save(self, optimizers: Sequence[Any]) -> None:
        """Saves a checkpoint."""
        job, trainer = self.job, self._trainer
        if self._takes_part:
            state = JobState(
                step=self.step,
                epoch=self.epoch,
                epoch_step=self.epoch_step,
                clock=self.clock.spent,
                best=tuple(self.best.values),
                weights=whole_state(job.module),
                best_weights=self.best.weights,
                moments=optimizer_moments(job, optimizers),
                generators=random_states(job, trainer),
            )
            if self._is_main:
                trainer.records.save(job.name, state)

    def restore(self, state: JobState, optimizers: Sequence[Any]) -> None:
        """Takes models, optimizers and random states back to a checkpoint.

        Raises:
            RunError: it is of another model.
        """
        job, trainer = self.job, self._trainer
        own = own_state(job.module)
        other = f"job {job.name!r}: its checkpoint is of another model"
        fault = misfit(state.best_weights, {name: own[name] for name in state.best_weights if name in own})
        if not fault and len(state.best) != len(job.models):
            fault = f"has {len(state.best)} best values, for {len(job.models)} models"
        if fault:
            raise RunError(f"{other}: it {fault}; start a new run with another --out.")
        self.step, self.epoch, self.epoch_step = state.step, state.epoch, state.epoch_step
        self.best.values, self.best.weights = list(state.best), dict(state.best_weights)
        self.clock.start(state.clock)
        load_whole(job.module, state.weights, job.name)
        restore_moments(job, optimizers, state.moments, trainer.device)
        restore_random_states(job, trainer, state.generators)

    def finish(self) -> None:
        """Loads the best weights, and records them as those of the finished job, with what it cost."""
        job = self.job
        self.best.load()
        if self._takes_part:
            weights = whole_state(job.module)
            trained = sum(part.numel() for model in job.models for part in model.parameters() if part.requires_grad)
            if self._is_main:
                self._trainer.records.finish(job.name, weights, self.clock.cost(len(job.models), trained))
