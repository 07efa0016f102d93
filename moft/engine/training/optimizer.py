"""AdamW, and the schedule of its learning rate."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from moft.engine.distributed.fsdp import optimizer_groups
from moft.engine.training.trainer_settings import TrainerSettings
from moft.engine.training.training_job import TrainerState, TrainingJob


def adamw(parameters: Sequence[nn.Parameter], job: TrainingJob, trainer: TrainerState) -> torch.optim.AdamW:
    """The optimizer of a job for these parameters."""
    return torch.optim.AdamW(
        optimizer_groups(parameters),
        lr=job.learning_rate,
        weight_decay=trainer.settings.weight_decay,
        fused=trainer.device.type in ("cpu", "cuda"),
    )


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Makes the next step use this rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def learning_rate_factor(progress: float, settings: TrainerSettings) -> float:
    """Share of the peak learning rate, for `progress` between 0 and 1."""
    if progress < settings.warmup:
        return progress / settings.warmup
    if settings.schedule == "constant":
        return 1.0
    rest = (progress - settings.warmup) / (1 - settings.warmup) if settings.warmup < 1 else 1.0
    return 0.5 * (1 + math.cos(math.pi * rest))
