"""How an adaptive sampler learns from the evaluations of a job, and is saved with its checkpoints."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from torch import Tensor

from moft.engine.checks.return_values import failing_as
from moft.engine.checks.sampler_draws import checked_state, checked_watched_weights
from moft.engine.distributed.processes import broadcast_from_main
from moft.errors import ConfigError
from moft.interfaces.sampler import Feedback

_PREFIX = "sampler."  # of its names among the random states of a checkpoint


def check_evaluated_before_end(evaluated: Collection[int], epochs: int) -> None:
    """Checks that an adaptive sampler gets values before the last epoch, so that some training can follow them.

    Args:
        evaluated: epochs, from 1, after which there is an evaluation.
        epochs: of the job.

    Raises:
        ConfigError: it would get none.
    """
    if not set(evaluated) - {epochs}:
        raise ConfigError(
            f"[trainer.evaluations] measures nothing before the last of {epochs} epochs, and an adaptive sampler learns from "
            "what is measured before; set at least 2, with as many epochs, or take another sampler."
        )


def check_feedback(feedback: Feedback | None, evaluated: Collection[int], epochs: int) -> None:
    """Checks that the adaptive sampler of a job, if there is one, can learn from evaluations and be saved.

    Args:
        feedback: of the job.
        evaluated: epochs, from 1, after which there is an evaluation.
        epochs: of the job.

    Raises:
        ConfigError: no evaluation precedes the last epoch.
        PluginError: a checkpoint cannot keep its state, or it fails.
        ShapeError: its watched weights are not vectors.
    """
    if feedback is not None:
        check_evaluated_before_end(evaluated, epochs)
        checked_watched_weights(feedback.sampler)
        checked_state(feedback.sampler)


def sampler_state(feedback: Feedback | None) -> dict[str, Tensor]:
    """The state of the sampler as a checkpoint keeps it; empty where there is none."""
    return {} if feedback is None else {f"{_PREFIX}{name}": value for name, value in checked_state(feedback.sampler).items()}


def restore_sampler(feedback: Feedback | None, states: Mapping[str, Tensor]) -> None:
    """Gives the sampler back what `sampler_state` returned."""
    if feedback is not None:
        names = [name for name in states if name.startswith(_PREFIX)]
        feedback.sampler.restore({name.removeprefix(_PREFIX): states[name] for name in names})


def inform_sampler(feedback: Feedback | None, processes: int) -> None:
    """Gives the sampler the values that the policy reaches at its watched weights, the same in each of the processes."""
    if feedback is not None:
        values = broadcast_from_main(feedback.measure(checked_watched_weights(feedback.sampler)).cpu(), processes)
        with failing_as(f"sampler {type(feedback.sampler).__name__} failed on observe({list(values.shape)})"):
            feedback.sampler.observe(values)
