"""From a config to a run folder: train, profile, report; and from a run folder back to a policy."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import torch

from moft.cache import cache_folder
from moft.config.build import Resolved, resolve
from moft.config.read import read_config
from moft.engine.own import own_state, whole_state
from moft.engine.processes import Processes, refuse_ensembles
from moft.engine.profile import base_values, edge_weights, findings, profiled, substitutions, unmeasured
from moft.engine.records import Account
from moft.engine.returned import check_metric, policy_of
from moft.engine.sampled import grid_of
from moft.engine.seed import seed_initialisation
from moft.engine.sharding import is_sharded
from moft.engine.statistics import hypervolume
from moft.engine.train import AccelerateTrainer
from moft.errors import ConfigError, DataError, PluginError, RunError, ShapeError
from moft.hooks.manager import Plugins
from moft.hooks.observers import Observers
from moft.interfaces import Context, Evaluator, Lengthy, Method, Policy, Problem, Tracker
from moft.run.checkpoint import RunRecords
from moft.run.faults import missing_plugins, plugin_fault, stopped
from moft.run.fit import check_fit, check_heard, check_profile
from moft.run.folder import RunFolder
from moft.run.kept import allow_repair, check_same_plugins, keep_again, kept_hashes
from moft.run.memory import memory_fault, short_of_memory
from moft.run.opened import Opened
from moft.run.report import write_report
from moft.run.results import Cost, Measured, front_record, front_table, list_values, reference_point, validation_reference_point
from moft.run.settings import ProfileSettings, RunSettings, Split, plugin_files
from moft.run.trained import check_same_data, fingerprint, kept_config
from moft.run.versions import begun_in, versions_of
from moft.run.weights import load_into, load_tensors, read_json, save_tensors, write_json
from moft.types import Front, Run, Tradeoff
from moft.whole import write_bytes

BOOTSTRAP_SEED = 0
"""The same for every run, so that two runs on the same lists are resampled alike and can be compared pairwise."""

NOTHING_REACHED = (
    "The validation front has no hypervolume at any evaluation, so the last weights of training are kept, not the best: no point "
    "exceeds the reference point in all objectives (lower profile.reference or validation_reference), or values are missing."
)


def read_settings(config: Path, overrides: Sequence[str], plugins: Plugins) -> Resolved:
    """A config file, checked whole; plugins that it names are registered first.

    Raises:
        ConfigError: the file or its settings have mistakes; one line each.
    """
    content = read_config(config, overrides)
    _register(content.get("plugins", ()), plugins)
    return resolve(RunSettings, content, plugins)


def train(resolved: Resolved, path: Path, plugins: Plugins, *, resume: bool = False) -> RunFolder | None:
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
            refuse_ensembles(settings.method)
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
                raise short_of_memory(path, short, resolved.plain) from error
            fault = plugin_fault(error, plugins)
            if processes.is_main and isinstance(error, Exception):
                allow_repair(folder)
            if fault is not None:
                raise stopped(path, fault) from error
            raise
        finally:
            records.close()
            folder.release()
        observers.run_ended(None)
    finally:
        processes.end()
    return folder if processes.is_main else None


def trackers_of(resolved: Resolved, path: Path, plugins: Plugins) -> dict[str, Tracker]:
    """The trackers of a run that writes to `path`, by what messages call them; nothing is opened or sent yet.

    Raises:
        ConfigError: one cannot be had, such as for a library that is missing.
    """
    run, made = Run(path.name, path, resolved.plain), {}
    for index, name in enumerate(entry["name"] for entry in resolved.plain["trackers"]):
        owner = f"tracker {name!r} of plugin {plugins.offer('trackers', name).origin}, trackers.{index},"
        made[owner] = resolved["trackers"][str(index)].make()(run)
    return made


def open_run(path: Path, plugins: Plugins, *, device: str = "auto") -> Opened:
    """The task and policy of a finished run.

    Raises:
        RunError: there is no finished run, or its files are not whole.
    """
    folder = RunFolder.open(path)
    if not (folder.policy / "policy.safetensors").exists():
        raise RunError(f"{path}: holds no finished policy; go on with its training by `moft train CONFIG --out {path} --resume`.")
    config = folder.resolved_config()
    try:
        kept = [str(folder.plugins / Path(file).name) for file in config.get("plugins", ())]
        _register(kept, plugins, is_preferred=True)  # the run was trained by them, whatever has been installed since
        settings: RunSettings = resolve(RunSettings, config, plugins, home=begun_in(folder)).make()
    except (ConfigError, PluginError) as error:
        raise RunError(f"{path}: cannot be opened: {error}{missing_plugins(folder, plugins)}") from error
    place = torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")
    task = settings.task(Context(place, settings.seed, cache_folder()))
    task.restore(load_tensors(folder.policy / "task.safetensors"))
    seed_initialisation(settings.seed, "policy")
    policy = settings.method.policy(unmeasured(task))
    stored = folder.policy / "policy.safetensors"
    load_into(own_state(policy), load_tensors(stored), stored)
    policy.eval().to(place)
    return Opened(folder, settings, task, policy)


def measure(
    opened: Opened,
    settings: ProfileSettings,
    *,
    temperature: float | Sequence[float] = 1.0,
    tell: Callable[[int, int], None] | None = None,
) -> Measured:
    """Profiles a policy on a split.

    Args:
        opened: the run.
        settings: how to measure.
        temperature: c > 0, or one for each objective; asks for c times the objectives' temperatures. Above 1 moves towards
            the base model.
        tell: is called with how many points are done, and how many there are, by an evaluator that takes long.

    Raises:
        ShapeError: weights of the grid do not sum to one, or a temperature is not positive.
        ConfigError: the policy cannot change the ratios of temperatures, and other ones are asked for.
    """
    task, m = opened.task, len(opened.task.objectives)
    evaluator: Evaluator = settings.evaluator(task.objectives, task.main)
    temperatures = opened.temperatures_at(temperature)
    grid = grid_of(settings.grid(m), settings.points, m)
    between = None
    if settings.edges and m > 2 and len(grid) > 1:
        between = Tradeoff(edge_weights(m, settings.edges)[0], temperatures)
        if substitutions(opened.policy, between, opened.names):
            between = None  # points of the grid again would be drawn as others
    counts = len(grid), 0 if between is None else len(between)

    def after(before: int) -> Callable[[int], None] | None:
        return None if tell is None else lambda done: tell(before + done, sum(counts) + 1)

    asked, notes = Tradeoff(grid, temperatures).checked(), findings(opened.policy)
    front = profiled(opened.policy, task, evaluator, asked, settings.split, notes=notes, tell=after(0))
    edges = None
    if between is not None:
        edges = profiled(opened.policy, task, evaluator, between, settings.split, tell=after(counts[0]))
    base = base_values(task, evaluator, settings.split, tell=after(sum(counts)))
    return Measured(front, edges, base, reference_point(settings.reference, m), settings.samples, BOOTSTRAP_SEED)


def write_results(
    measured: Measured, settings: ProfileSettings, target: Path, *, cost: Cost, notes: Sequence[str], run: RunFolder
) -> Mapping[str, Any]:
    """Writes the front (JSON, CSV, picture), the report and the values per list into `target`.

    Returns: the content of `front.json`.
    """
    data = read_json(run.versions)["data"]
    origin = {"name": run.path.resolve().name, "config": run.resolved_config(), "data": data}
    record = front_record(measured, settings.indicators, cost, notes, origin)
    target.mkdir(parents=True, exist_ok=True)
    write_json(target / "front.json", record)
    write_bytes(target / "front.csv", front_table(record).encode())
    save_tensors(target / "lists.safetensors", list_values(measured))
    write_report(record, run, target)
    return record


def validation_grid(settings: ProfileSettings, m: int) -> torch.Tensor:
    """`[n, m]`, the weights that are measured during training."""
    return grid_of(settings.grid(m), settings.validation_points or m + 1, m)


def cost_of(folder: RunFolder) -> Cost:
    """What a finished run cost, as its front says.

    Raises:
        RunError: the front does not say.
    """
    record = read_json(folder.front)
    given = record.get("cost") if isinstance(record, Mapping) else None
    found: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
    for field in ("jobs", "seconds", "separate_seconds", "parameters", "base_seconds"):
        if field not in found:
            raise RunError(f"{folder.front}: is damaged; it lacks 'cost.{field}'.")
    separate = math.nan if found["separate_seconds"] is None else found["separate_seconds"]
    return Cost(Account(found["jobs"], found["seconds"], separate, found["parameters"]), found["base_seconds"])


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
    check_profile(settings.profile, task.objectives)
    check_heard(settings, len(task.objectives))
    evaluator: Evaluator = settings.profile.evaluator(task.objectives, task.main)
    chosen = settings.profile.validation_evaluator
    watched = evaluator if chosen is None else chosen(task.objectives, task.main)
    for judge in (evaluator, watched):
        check_metric(judge)
    m = len(task.objectives)
    grid, reference = validation_grid(settings.profile, m), validation_reference_point(settings.profile, m)

    def validate(policy: Policy) -> dict[str, float]:
        asked = Tradeoff(grid, problem.temperatures)
        front = profiled(policy, task, watched, asked, "validation", tell=lambda done: observers.points_measured(done, len(grid)))
        return _validation(front, reference)

    def points(policy: Policy, tradeoff: Tradeoff) -> torch.Tensor:
        return profiled(policy, task, watched, tradeoff, "validation").points

    problem = Problem(task, validate, points)
    method: Method[Policy] = settings.method
    try:
        with suppress(DataError):  # the task's own preparation tells of its data
            check_fit(method, task)
        task.prepare(trainer)
        base_jobs = set(records.accounts)
        check_same_data(folder, task.identity())
        task.batches(settings.profile.split)  # a fault of its lists is told before training, not after
        seed_initialisation(settings.seed, "policy")
        policy = policy_of(method, method.policy(problem))
        if processes.is_sharding:
            policy = processes.sharded(policy)
        judges = [(evaluator, settings.profile.split), (watched, "validation")]
        for judge, split in judges if settings.trainer.evaluations else judges[:1]:
            if isinstance(judge, Lengthy):  # told now, not after training
                judge.check(policy.steer(Tradeoff(grid[:1], problem.temperatures)), task.batches(split))
    except (ConfigError, DataError, PluginError, ShapeError):
        if trainer.is_main and not is_resumed:
            folder.discard()  # at most a base model was trained, and another config or other data need another one
        raise
    if trainer.is_main:
        folder.write_versions(versions_of(plugins, kept_hashes(folder), trainer.device, settings.seed, task.identity()))
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
    measured = measure(Opened(folder, settings, task, policy), settings.profile, tell=observers.points_measured)
    if not trainer.is_main:
        return
    accounts = records.accounts
    base_seconds = sum(accounts[job].seconds for job in base_jobs)
    cost = Cost(sum((account for job, account in accounts.items() if job not in base_jobs), Account()), base_seconds)
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
    kept = kept_config(folder, config)
    check_same_plugins(folder, config["plugins"])
    folder.hold()
    folder.clean()
    keep_again(folder, config["plugins"])
    if kept != config:
        folder.write_config(config)
    return folder


def _register(files: Any, plugins: Plugins, *, is_preferred: bool = False) -> None:
    for file in plugin_files(files):
        plugins.register_file(Path(file).expanduser(), is_preferred=is_preferred)


def with_changes(settings: ProfileSettings, *, split: str | None, points: int | None) -> ProfileSettings:
    """The same settings with another split or number of points, where given.

    Raises:
        ConfigError: there is no such split.
    """
    known: tuple[Split, ...] = get_args(Split)
    chosen = next((name for name in known if name == split), settings.split)
    if split not in (None, chosen):
        raise ConfigError(f"--split {split!r}: splits are {', '.join(known)}.")
    return replace(settings, split=chosen, points=settings.points if points is None else points)
