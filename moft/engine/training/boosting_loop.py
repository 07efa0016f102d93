"""The loop that `Trainer.boost` runs: chunks of rounds, evaluations, checkpoints."""

from __future__ import annotations

import math
from collections.abc import Mapping

from moft.engine.distributed.processes import broadcast_from_main
from moft.engine.seed import generator_for
from moft.engine.training.jobs.job_progress import JobProgress
from moft.engine.training.jobs.job_records import JobState
from moft.engine.training.trainer_settings import evaluated_epochs
from moft.engine.training.training_job import BoostingJob, TrainerState
from moft.errors import RunError


def run_boosting(job: BoostingJob, state: TrainerState, checkpoint: JobState | None) -> None:
    """Grows the module of a job to its last round, from the start or from a checkpoint, and leaves it in its best state.

    Args:
        job: what to grow.
        state: what all jobs of the trainer share.
        checkpoint: where to go on; None for the start.

    Raises:
        RunError: the loss of a round is not finite, or the checkpoint is of another model.
    """
    progress, total = JobProgress(job, state), sum(job.rounds)
    evaluated = evaluated_epochs(len(job.rounds), state.settings.evaluations) if job.evaluate is not None else frozenset[int]()
    if checkpoint is not None:
        progress.restore(checkpoint, ())
    progress.clock.start()
    for chunk in range(progress.epoch, len(job.rounds)):
        values: Mapping[str, float] = {}
        for values in job.grow(chunk, generator_for(state.seed, job.name, "draws", chunk)):
            progress.step += 1
            if not math.isfinite(values.get("loss", 0.0)):
                raise RunError(
                    f"job {job.name!r}, round {progress.step}: the loss is {values['loss']}. The last checkpoint is kept; train "
                    "anew with a smaller learning rate and another --out."
                )
            if progress.step < sum(job.rounds[: chunk + 1]):
                _record(progress, values, total, state)
        progress.clock.lap("steps")
        progress.step, progress.epoch = sum(job.rounds[: chunk + 1]), chunk + 1
        evaluation: dict[str, float] = {}
        if job.evaluate is not None and progress.epoch in evaluated:
            (measured,) = broadcast_from_main([dict(job.evaluate())], state.accelerator.num_processes)
            progress.best.update([measured])
            evaluation = {name: float(value) for name, value in measured.items()}
            progress.clock.lap("evaluations")
        _record(progress, {**values, **evaluation}, total, state)
        progress.save(())
    progress.finish()
    state.accelerator.wait_for_everyone()


def _record(progress: JobProgress, values: Mapping[str, float], total: int, state: TrainerState) -> None:
    """Records the values of a round."""
    if state.accelerator.is_main_process:
        place = {"progress": progress.step / total, "epoch": progress.step, "epochs": total, "seconds": progress.clock.seconds}
        state.records.step(progress.step, {"job": progress.job.name, **values, **place})
