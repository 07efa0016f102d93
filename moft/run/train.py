"""One config to a run folder: trains, profiles and reports."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from moft.config.build import Resolved
from moft.engine.checks.return_values import check_metric, policy_of
from moft.engine.checks.sampler_draws import grid_of
from moft.engine.distributed.fsdp import is_sharded
from moft.engine.distributed.processes import Processes
from moft.engine.fronts.hypervolume import hypervolume
from moft.engine.fronts.profile import profiled
from moft.engine.policies.state_dict import whole_state
from moft.engine.seed import seed_initialisation
from moft.engine.training.job_records import TrainingCost
from moft.engine.training.trainer import AccelerateTrainer
from moft.errors import ConfigError, DataError, PluginError, ShapeError
from moft.files.cache_folder import cache_folder
from moft.files.safetensors import save_tensors
from moft.hooks.observers import Observers
from moft.hooks.plugin_manager import Plugins
from moft.interfaces import Context, Evaluator, LongEvaluator, Method, Policy, Problem
from moft.run.checks.compatibility import check_adaptive_sampler, check_fit, check_profile, check_trains_one_model
from moft.run.checks.out_of_memory import memory_fault, run_memory_error
from moft.run.checks.plugin_errors import plugin_fault, run_plugin_error
from moft.run.folder.checkpoint import RunRecords
from moft.run.folder.plugin_copies import allow_repair, check_same_plugins, plugin_hashes, update_copies
from moft.run.folder.resume import check_same_config, check_same_data, fingerprint
from moft.run.folder.run_folder import RunFolder
from moft.run.folder.versions import versions_of
from moft.run.policy.measure import measure
from moft.run.policy.open_run import OpenedRun
from moft.run.report.front_record import (
    Cost,
    validation_reference_point,
)
from moft.run.report.write_front import write_results
from moft.run.run_config import trackers_of
from moft.run.run_settings import ProfileSettings, RunSettings
from moft.types import Front, Run, Tradeoff

NOTHING_REACHED = (
    "The validation front has no hypervolume at any evaluation, so the last weights of training are kept, not the best: no point "
    "exceeds the reference point in all objectives (lower profile.reference or validation_reference), or values are missing."
)


def train_run(resolved: Resolved, path: Path, plugins: Plugins, *, resume: bool = False) -> RunFolder | None:
    """Trains, profiles and reports one config into the run folder `path`.

    Args:
        resolved: from `read_settings`.
        path: must not exist, unless the run there is resumed.
        plugins: observers are told of everything.
        resume: goes on with the run at `path` if there is one.

    Returns: None in the other processes of a run that several train together; the main one writes.

    Raises:
        RunError: the folder exists, belongs to another config, or training stopped.
    """
    settings: RunSettings = resolved.make()
    processes = Processes(is_cpu=settings.trainer.is_cpu, sharding=settings.trainer.sharding)
    is_resumed = resume and path.exists()
    try:
        if processes.is_sharding:
            check_trains_one_model(settings.method)
        make = _reopened if is_resumed else RunFolder.create
        trackers = processes.first(lambda: trackers_of(resolved, path, plugins)) or {}
        folder = processes.first(lambda: make(path, resolved.plain)) or RunFolder(path)
        run = Run(path.name, path, resolved.plain)
        observers = Observers(plugins if processes.is_main else Plugins(), run, trackers)
        records = RunRecords(folder, fingerprint(resolved.plain), observers, is_main=processes.is_main)
        observers.run_started()
        try:
            _train(settings, folder, records, observers, plugins, processes, is_resumed)
        except BaseException as error:
            observers.run_ended(error)
            if processes.is_main and not is_resumed:
                folder.discard_if_empty()
            if (short := memory_fault(error)) is not None:
                raise run_memory_error(path, short, resolved.plain) from error
            fault = plugin_fault(error, plugins)
            if processes.is_main and isinstance(error, Exception):
                allow_repair(folder)
            if fault is not None:
                raise run_plugin_error(path, fault) from error
            raise
        finally:
            records.close()
            folder.release()
        observers.run_ended(None)
    finally:
        processes.end()
    return folder if processes.is_main else None


def _train(
    settings: RunSettings,
    folder: RunFolder,
    records: RunRecords,
    observers: Observers,
    plugins: Plugins,
    processes: Processes,
    is_resumed: bool,
) -> None:
    trainer = AccelerateTrainer(settings.trainer, seed=settings.seed, records=records, resume=is_resumed)
    task = settings.task(Context(trainer.device, settings.seed, cache_folder(), processes))
    observers.name_lists(task.nouns)
    check_profile(settings.profile, task.objectives)
    check_adaptive_sampler(settings, len(task.objectives))
    evaluator: Evaluator = settings.profile.evaluator(task.objectives, task.main)
    chosen = settings.profile.validation_evaluator
    watched = evaluator if chosen is None else chosen(task.objectives, task.main)
    for judge in (evaluator, watched):
        check_metric(judge)
    m = len(task.objectives)
    grid, reference = validation_grid(settings.profile, m), validation_reference_point(settings.profile, m)

    def validate(policy: Policy) -> dict[str, float]:
        asked = Tradeoff(grid, problem.betas)
        front = profiled(
            policy, task, watched, asked, "validation", on_progress=lambda done: observers.points_measured(done, len(grid))
        )
        return _validation(front, reference)

    def points(policy: Policy, tradeoff: Tradeoff) -> torch.Tensor:
        return profiled(policy, task, watched, tradeoff, "validation").points

    problem = Problem(task, validate, points)
    method: Method[Policy] = settings.method
    try:
        with suppress(DataError):  # the task's own preparation tells of its data
            check_fit(method, task)
        task.prepare(trainer)
        base_jobs = set(records.costs)
        check_same_data(folder, task.identity())
        task.batches(settings.profile.split)  # a fault of its lists is told before training, not after
        seed_initialisation(settings.seed, "policy")
        policy = policy_of(method, method.policy(problem))
        if processes.is_sharding:
            policy = processes.sharded(policy)
        judges = [(evaluator, settings.profile.split), (watched, "validation")]
        for judge, split in judges if settings.trainer.evaluations else judges[:1]:
            if isinstance(judge, LongEvaluator):  # told now, not after training
                judge.check(policy.steer(Tradeoff(grid[:1], problem.betas)), task.batches(split))
    except (ConfigError, DataError, PluginError, ShapeError):
        if trainer.is_main and not is_resumed:
            folder.discard()  # at most a base model was trained, and another config or other data need another one
        raise
    if trainer.is_main:
        folder.write_versions(versions_of(plugins, plugin_hashes(folder), trainer.device, settings.seed, task.identity()))
    method.train(policy, problem, trainer)
    if trainer.is_main and (reached := records.measured("hypervolume")) and not any(reached):
        trainer.note(NOTHING_REACHED)
    policy.eval()
    if not trainer.is_main and not is_sharded(policy):
        return
    weights = whole_state(policy)
    if trainer.is_main:
        folder.policy.mkdir(exist_ok=True)
        save_tensors(folder.policy / "task.safetensors", task.state())
        save_tensors(folder.policy / "policy.safetensors", weights)
    # by all that hold a part of the policy
    measured = measure(OpenedRun(folder, settings, task, policy), settings.profile, on_progress=observers.points_measured)
    if not trainer.is_main:
        return
    costs = records.costs
    base_seconds = sum(costs[job].seconds for job in base_jobs)
    cost = Cost(sum((account for job, account in costs.items() if job not in base_jobs), TrainingCost()), base_seconds)
    write_results(measured, settings.profile, folder.path, cost=cost, notes=records.notes, run=folder)
    observers.front_profiled(measured.front)


def _validation(front: Front, reference: torch.Tensor) -> dict[str, float]:
    """Hypervolume, the main objective's mean, and every objective at the point that weights it most."""
    points, weights = front.points, front.tradeoffs.expand(len(front.tradeoffs)).weights
    values = {"hypervolume": hypervolume(points, reference)}
    if not front.main.isnan().all():
        values["main"] = front.main.mean().item()
    return values | {name: points[weights[:, index].argmax(), index].item() for index, name in enumerate(front.objectives)}


def _reopened(path: Path, config: Mapping[str, Any]) -> RunFolder:
    """The run at `path`, held by this process; what training depends on must be as it was."""
    folder = RunFolder.open(path)
    kept = check_same_config(folder, config)
    check_same_plugins(folder, config["plugins"])
    folder.hold()
    folder.clean()
    update_copies(folder, config["plugins"])
    if kept != config:
        folder.write_config(config)
    return folder


def validation_grid(settings: ProfileSettings, m: int) -> torch.Tensor:
    """`[n, m]`, the weights that are measured during training."""
    return grid_of(settings.grid(m), settings.validation_points or m + 1, m)
