"""What an adaptive sampler has learned, as a job and its checkpoints hold it."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping

from torch import Tensor

from moft.engine.checks.return_values import failing_as
from moft.engine.checks.sampler_draws import state_of, watched_weights_of
from moft.errors import ConfigError
from moft.interfaces.sampler import Feedback

_LEARNED = "sampler."  # begins its names among the states of generators


def evaluated_epochs(epochs: int, evaluations: int) -> frozenset[int]:
    """The epochs, from 1, after which the front is measured: evenly spread, the last one among them."""
    return frozenset(math.ceil(epochs * index / evaluations) for index in range(1, evaluations + 1))


def refuse_unevaluated(evaluated: Collection[int], epochs: int) -> None:
    """Nothing, when an adaptive sampler would be told something that more training follows.

    Args:
        evaluated: epochs, from 1, after which there is an evaluation.
        epochs: of the job.

    Raises:
        ConfigError: it never would.
    """
    if not set(evaluated) - {epochs}:
        raise ConfigError(
            f"[trainer.evaluations] measures nothing before the last of {epochs} epochs, and an adaptive sampler learns from "
            "what is measured before; set at least 2, with as many epochs, or take another sampler."
        )


def refuse_without_evaluations(feedback: Feedback | None, evaluated: Collection[int], epochs: int) -> None:
    """Nothing, when an adaptive sampler, if there is one, is told something that more training follows.

    Args:
        feedback: of the job.
        evaluated: epochs, from 1, after which there is an evaluation.
        epochs: of the job.

    Raises:
        ConfigError: it never is.
        PluginError: its state is none that a checkpoint can keep, or it fails.
        ShapeError: what it watches are no weights.
    """
    if feedback is not None:
        refuse_unevaluated(evaluated, epochs)
        watched_weights_of(feedback.sampler)
        state_of(feedback.sampler)


def learned(feedback: Feedback | None) -> dict[str, Tensor]:
    """The state of the sampler as a checkpoint keeps it; empty where there is none."""
    return {} if feedback is None else {f"{_LEARNED}{name}": value for name, value in state_of(feedback.sampler).items()}


def learned_again(feedback: Feedback | None, kept: Mapping[str, Tensor]) -> None:
    """Gives the sampler back what `learned` gave."""
    if feedback is not None:
        names = [name for name in kept if name.startswith(_LEARNED)]
        feedback.sampler.restore({name.removeprefix(_LEARNED): kept[name] for name in names})


def learn(feedback: Feedback | None, agreed: Callable[[Tensor], Tensor]) -> None:
    """Tells the sampler what the policy reaches; `agreed` makes that the same in all processes."""
    if feedback is not None:
        values = agreed(feedback.measure(watched_weights_of(feedback.sampler)).cpu())
        with failing_as(f"sampler {type(feedback.sampler).__name__} failed on observe({list(values.shape)})"):
            feedback.sampler.observe(values)
