"""Optimizer moments and random states of a job, as a checkpoint keeps them and as a resumed job takes them back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from moft.engine.distributed.fsdp import part_of, whole
from moft.engine.training.adaptive_sampling import restore_sampler, sampler_state
from moft.engine.training.training_job import Job, TrainerState
from moft.errors import RunError
from moft.suggestions import one_line


def optimizer_moments(job: Job, optimizers: Sequence[Any]) -> dict[str, Tensor]:
    """Copies of the optimizers' state on the CPU, by `parameter|moment`; all processes call it together."""
    names = {parameter: name for name, parameter in job.module.named_parameters()}
    return {
        f"{names[parameter]}|{moment}": whole(value.detach()).cpu().clone()
        for optimizer in optimizers
        for parameter, state in optimizer.state.items()
        for moment, value in state.items()
    }


def restore_moments(job: Job, optimizers: Sequence[Any], moments: Mapping[str, Tensor], device: torch.device) -> None:
    """Gives the optimizers back what `optimizer_moments` returned.

    Raises:
        RunError: the moments are of other parameters.
    """
    parameters = dict(job.module.named_parameters())
    owners = {member: owner for owner in optimizers for group in owner.param_groups for member in group["params"]}
    for key, value in moments.items():
        name, _, moment = key.rpartition("|")
        parameter = parameters.get(name)
        if parameter is None or parameter not in owners or (value.dim() and value.shape != parameter.shape):
            raise RunError(f"job {job.name!r}: its checkpoint is of another model: {key!r} of the optimizer does not fit it.")
        # The step counter too: a fused optimizer keeps it where the parameters are.
        owners[parameter].state[parameter][moment] = part_of(value.to(device), parameter)


def random_states(job: Job, trainer: TrainerState) -> dict[str, Tensor]:
    """The states of the generators that training draws from, and of the adaptive sampler."""
    states = {"draws": trainer.generator.get_state(), "global": torch.get_rng_state()} | sampler_state(job.feedback)
    if trainer.device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(trainer.device)
    return states


def restore_random_states(job: Job, trainer: TrainerState, states: Mapping[str, Tensor]) -> None:
    """Takes back what `random_states` returned.

    Raises:
        RunError: a state is missing or damaged.
    """
    try:
        trainer.generator.set_state(states["draws"])
        torch.set_rng_state(states["global"])
        restore_sampler(job.feedback, states)
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise RunError(f"job {job.name!r}: the random states of its checkpoint are damaged ({one_line(error)}).") from error
    if "cuda" in states and trainer.device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"], trainer.device)
