"""The steps of `moft train` after its config is read."""

from __future__ import annotations

from pathlib import Path

from moft.config.build_component import Resolved
from moft.engine.checks.return_values import checked_policy
from moft.engine.distributed.fsdp import is_sharded
from moft.engine.distributed.processes import broadcast_from_main
from moft.engine.policies.state_dict import own_state, whole_state
from moft.engine.seed import seed_initialisation
from moft.engine.training.jobs.job_records import TrainingCost
from moft.engine.training.trainer import AccelerateTrainer
from moft.errors import PluginError
from moft.files.cache_folder import writable_cache_folder
from moft.files.safetensors import fault_of_tensor
from moft.hooks.plugin_manager import Plugins
from moft.interfaces import Context, Policy, Problem, Task
from moft.run.checks.compatibility import check_run
from moft.run.folder.plugin_copies import plugin_hashes
from moft.run.folder.resume import check_same_data
from moft.run.folder.run_folder import RunFolder
from moft.run.folder.versions import versions_of
from moft.run.policy.measure import measure
from moft.run.policy.open_run import OpenedRun
from moft.run.policy.point_files import PointFiles, points_key
from moft.run.policy.policy_files import save_policy
from moft.run.report.front_record import Cost
from moft.run.report.html_page import write_report
from moft.run.report.write_front import write_results
from moft.run.training_session import TrainingSession, open_session
from moft.run.validation_split import NO_HYPERVOLUME, check_long_evaluators, check_metric_labels, evaluators_of, problem_of


def train_run(resolved: Resolved, path: Path, plugins: Plugins, *, resume: bool = False) -> RunFolder | None:
    """Trains the policy of a config, measures its front, and writes both into the run folder `path`.

    Args:
        resolved: from `read_settings`.
        path: must not exist, unless the run there is resumed.
        plugins: their observers are called.
        resume: goes on with the run at `path` if there is one.

    Returns: the run folder; None in processes other than the main one.

    Raises:
        RunError: the folder exists, belongs to another config, or training stopped.
    """
    with open_session(resolved, path, plugins, resume=resume) as session:
        _train(session)
    return session.folder if session.processes.is_main else None


def _train(session: TrainingSession) -> None:
    """The steps of a run, from its settings to the files of its front."""
    settings, records, profile = session.settings, session.records, session.settings.profile

    # Build the task and the trainer. Everything that is trained is a job of the trainer, which `--resume` continues.
    task: Task = settings.task(Context(session.processes.device, settings.seed, writable_cache_folder(), session.processes))
    session.observers.name_lists(task.nouns)
    trainer = AccelerateTrainer(
        settings.trainer, seed=settings.seed, records=records, resume=session.is_resumed, nouns=task.nouns
    )

    # Check the settings, and what a look at data and base model shows.
    with session.before_training():
        check_run(settings, task)
    evaluators = evaluators_of(profile, task)
    problem = problem_of(task, evaluators.validation, profile, session.observers.points_measured)

    # Prepare the task (its data, its base model) and the untrained policy. Check that method, data and evaluators fit them.
    with session.before_training():
        task.prepare(trainer)
        base_jobs = set(records.costs)  # of the base model alone: on a resume, the policy's jobs are read by `train` below
        check_same_data(session.folder, task.identity())
        task.batches(profile.split)  # a fault in these lists is found now, not after training
        policy = _untrained_policy(session, problem)
        check_metric_labels(task, evaluators, profile.split)
        check_long_evaluators(policy, task, evaluators, profile, is_validated=settings.trainer.evaluations > 0)
    if trainer.is_main:
        hashes = plugin_hashes(session.folder)
        versions = versions_of(session.plugins, hashes, session.home, trainer.device, settings.seed, task.identity())
        session.folder.write_versions(versions)

    # Train the policy. The method is a plugin, such as CosDPO in plugins/moft_cos_dpo/method.py. Its `train` calls
    # AccelerateTrainer.minimise, which runs TrainingLoop. The loop keeps the weights of the best evaluation on the
    # validation split.
    settings.method.train(policy, problem, trainer)
    if trainer.is_main and (volumes := records.history("hypervolume")) and not any(volumes):
        trainer.note(NO_HYPERVOLUME)
    policy.eval()
    if not trainer.is_main and not is_sharded(policy):
        return  # only the main process measures and writes, but every process holds a part of a sharded policy
    cost = _cost(session, base_jobs)
    _save(session, task, policy, cost)

    # Measure the policy over a grid of objective weights, and write tables, pictures, the report and front.json.
    opened = OpenedRun(session.folder, settings, task, policy, session.plugins)
    points = _points(session, task, is_sharded=is_sharded(policy))
    measured = measure(opened, profile, on_progress=session.observers.points_measured, kept=points)
    if trainer.is_main:
        session.folder.check_in_place()
        record = write_results(measured, profile, session.folder.path, cost=cost, notes=records.notes, run=session.folder)
        points.clear()
        session.observers.front_profiled(measured.front)
        for name, wish in settings.choices.items():
            opened.choose(wish, name=name, on_progress=session.observers.points_measured)
        if choices := {name: choice.record for name, choice in opened.choices().items()}:
            write_report(record, session.folder, session.folder.path, choices)


def _untrained_policy(session: TrainingSession, problem: Problem) -> Policy:
    """The method's policy, drawn from the run's seed, on the devices that will train it."""
    method = session.settings.method
    seed_initialisation(session.settings.seed, "policy")
    policy = checked_policy(method, method.policy(problem))
    for name, value in own_state(policy).items():
        if fault := fault_of_tensor(value):
            raise PluginError(
                f"method {type(method).__name__}: {name!r} of its policy {fault}, and a run keeps finite numbers; give such a "
                "buffer persistent=False."
            )
    return session.processes.sharded(policy) if session.processes.is_sharding else policy


def _save(session: TrainingSession, task: Task, policy: Policy, cost: Cost) -> None:
    """Saves task and policy; the parts of a sharded policy are gathered by all processes."""
    weights = whole_state(policy)
    if session.processes.is_main:
        session.folder.check_in_place()
        save_policy(session.folder, task.state(), weights, cost)


def _points(session: TrainingSession, task: Task, *, is_sharded: bool) -> PointFiles:
    """The points that an earlier session measured; processes that share a policy have to skip the same ones."""
    folder, processes = session.folder, session.processes
    key = points_key(folder, session.settings.profile.split, task.identity()) if processes.is_main else ""
    rows = PointFiles(folder.measured, key).rows if processes.is_main else {}
    rows = broadcast_from_main(rows, processes.count if is_sharded else 1)
    return PointFiles(folder.measured, key, rows=rows, is_main=processes.is_main, check=folder.check_in_place)


def _cost(session: TrainingSession, base_jobs: set[str]) -> Cost:
    """What training the policy cost, and the seconds that training the base model took."""
    costs = session.records.costs
    policy_cost = sum((cost for job, cost in costs.items() if job not in base_jobs), TrainingCost())
    return Cost(policy_cost, base_seconds=sum(costs[job].seconds for job in base_jobs))
