"""The groups in which the models of an ensemble are trained, so that each group fits into memory and a resume keeps them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace

import torch
from torch import Generator, nn

from moft.engine.policies.dedicated_models import side_by_side
from moft.engine.training.ensemble.ensemble_memory import models_that_fit
from moft.engine.training.training_job import TrainerState, TrainingJob


def groups_of(ensemble: TrainingJob, trainer: TrainerState, *, resume: bool) -> Iterator[TrainingJob]:
    """The job of each group of models, in order; each has to be trained before the next one is asked for.

    Args:
        ensemble: the job of all models.
        trainer: whose settings and records decide.
        resume: True keeps the groups that are recorded.
    """
    count, size, start = len(ensemble.models), 0, 0
    while start < count:
        group = _recorded_group(ensemble, start, trainer) if resume else None
        if group is None:
            size = size or trainer.settings.models_at_once or _fitting(ensemble, trainer)
            group = range(start, min(start + size, count))
        yield _job_of_group(ensemble, group)
        start = group.stop


def _job_of_group(ensemble: TrainingJob, group: range) -> TrainingJob:
    """The job of some models, which have other indices in it than in the ensemble."""
    models, losses_of, evaluate = [ensemble.models[index] for index in group], ensemble.losses_of, ensemble.evaluate
    return replace(
        ensemble,
        name=_group_name(ensemble, group),
        module=nn.ModuleList(models),
        models=models,
        losses_of=lambda batch, indices: losses_of(batch, [group[index] for index in indices]),
        evaluate=None if evaluate is None else lambda indices: evaluate([group[index] for index in indices]),
    )


def _group_name(ensemble: TrainingJob, group: range) -> str:
    """Name of the job of a group; that of the ensemble if the group is all of it."""
    if len(group) == len(ensemble.models):
        return ensemble.name
    last = f"-to-{group.stop}" if len(group) > 1 else ""
    return f"{ensemble.name}-{group.start + 1}{last}-of-{len(ensemble.models)}"


def _recorded_group(ensemble: TrainingJob, start: int, trainer: TrainerState) -> range | None:
    """The group from model `start` on that is recorded as finished, or as begun and of no more models than the settings allow.

    Other groups that were begun there are forgotten.
    """
    records, count = trainer.records, len(ensemble.models)
    groups = [range(start, stop) for stop in range(count, start, -1)]
    for group in groups:
        if records.finished(_group_name(ensemble, group)) is not None:
            return group
    begun = [group for group in groups if records.latest(_group_name(ensemble, group)) is not None]
    largest = trainer.settings.models_at_once or count
    chosen = next((group for group in begun if len(group) <= largest), None)
    for group in begun:
        if trainer.accelerator.is_main_process and group != chosen:
            records.forget(_group_name(ensemble, group))
    return chosen


def _fitting(ensemble: TrainingJob, trainer: TrainerState) -> int:
    """How many models fit into memory, tried on the batches of most and of fewest lists, where items or lists are longest."""
    data = ensemble.batches(Generator().manual_seed(0))
    plans = [max(data.plan, key=len), min(data.plan, key=len)]
    losses = [lambda plan=plan: ensemble.losses_of(data.load(plan), (0,)) for plan in plans]
    is_alone_on_cpu = trainer.device.type == "cpu" and trainer.accelerator.num_processes == 1
    with nullcontext() if is_alone_on_cpu else side_by_side(), trainer.autocast():
        count = models_that_fit(ensemble.models, losses, trainer.device)
    counts = trainer.accelerator.gather(torch.tensor([count], device=trainer.device))
    return int(counts.min())  # every process has to train the same groups
