"""The error that ends a job whose loss or gradient is not finite; it names the lists with such a loss."""

from __future__ import annotations

from collections.abc import Sequence

from moft.engine.distributed.batch_share import share_of
from moft.engine.training.step_schedule import Step, StepResult
from moft.engine.training.training_job import TrainerState, TrainingJob
from moft.errors import RunError

_NAMED = 8  # lists that a message names


def check_finite(results: Sequence[StepResult], step: Step, number: int, job: TrainingJob, trainer: TrainerState) -> None:
    """Checks the loss and the gradient of every model after a step; all processes call it together.

    Args:
        results: of each model.
        step: that was taken.
        number: of the step, from 1.
        job: that it belongs to.
        trainer: of the job.

    Raises:
        RunError: one is not finite. The message names the lists with such a loss, or all of the step if only the gradient is.
    """
    for model, result in enumerate(results):
        if not result.is_finite:
            lists = _lists_to_name(result, step, trainer)
            which = f", model {model + 1} of {len(job.models)}" if len(job.models) > 1 else ""
            noun = trainer.nouns.list if len(lists) == 1 else trainer.nouns.lists
            more = f" and {len(lists) - _NAMED} more" if len(lists) > _NAMED else ""
            raise RunError(
                f"job {job.name!r}{which}, step {number}: loss {result.loss:g} with gradient norm {result.gradient:g} is not "
                f"finite, on {noun} {', '.join(map(str, lists[:_NAMED]))}{more} of the training split (counted from 0). The last "
                "checkpoint is kept. Check the data there, or start a new run with a lower trainer.learning_rate."
            )


def _lists_to_name(result: StepResult, step: Step, trainer: TrainerState) -> list[int]:
    """The lists whose loss is not finite, from all processes; all lists of the step where each loss is finite."""
    from accelerate.utils import gather_object

    batches = []
    for lists_of_batch, losses in zip(step.micro_batches, result.losses, strict=True):
        lists, rows = share_of(lists_of_batch, trainer.accelerator)
        batches.append((lists[:rows], losses.cpu()))
    bad: list[int] = gather_object([index for lists, losses in batches for index in lists[~losses.isfinite()].tolist()])
    return bad or gather_object([index for lists, _ in batches for index in lists.tolist()])
