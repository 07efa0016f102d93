"""Many runs from one config: planned and checked as a whole, then run side by side; what is done is left alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from moft.config.yaml12 import dump
from moft.errors import ConfigError, MoftError, RunError
from moft.files.atomic_write import atomic_write
from moft.hooks.plugin_manager import Plugins
from moft.run.checks.compatibility import check_before_training
from moft.run.folder.resume import check_same_config
from moft.run.folder.run_folder import RunFolder, check_is_free, lock_folder
from moft.run.run_config import read_settings
from moft.run.run_settings import RunSettings
from moft.run.sweep.combinations import combinations, folder_name, overrides_of, parse_over
from moft.run.sweep.worker_processes import Job, JobResult, run_jobs, shares_of

RECORDS = ".sweep"
"""The folder of a sweep's logs and configs; hidden, so that `DIR/*` are the runs."""


class State(StrEnum):
    """How far a run is."""

    DONE = "done"
    MEASURE = "to measure again"
    HALF = "half-done"
    NEW = "to do"


@dataclass(frozen=True)
class SweepRun:
    """One run of a sweep.

    Args:
        folder: its run folder.
        config: resolved.
    """

    folder: Path
    config: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What differs from the other runs, and the seed."""
        return self.folder.name

    @property
    def state(self) -> State:
        """How far it is.

        Raises:
            RunError: something else is in its place.
        """
        if not self.folder.exists():
            return State.NEW
        run = RunFolder(self.folder)
        if not run.config.is_file():
            check_is_free(self.folder)
        kept = check_same_config(run, self.config)
        ends = (run.front, self.folder / "report.html")  # the first and the last that is written of the results
        if not all(end.exists() for end in ends):
            return State.HALF
        changed = run.config.stat().st_mtime_ns  # when it was made, or since then resumed to be measured otherwise
        is_measured = kept["profile"] == self.config["profile"] and all(end.stat().st_mtime_ns >= changed for end in ends)
        return State.DONE if is_measured else State.MEASURE


@dataclass(frozen=True)
class Sweep:
    """All runs of a sweep.

    Args:
        folder: that holds their folders.
        runs: in the order in which they begin.
        unknown: why it cannot be known yet whether the method of some run goes with its model.
    """

    folder: Path
    runs: tuple[SweepRun, ...]
    unknown: tuple[str, ...] = ()

    def states(self) -> dict[str, State]:
        """How far each run is, by name.

        Raises:
            RunError: something else is in the place of the sweep, or of a run.
        """
        if (self.folder / "config.yaml").exists() or (self.folder.exists() and not self.folder.is_dir()):
            kind = "a run" if self.folder.is_dir() else "a file"
            raise RunError(f"{self.folder}: is {kind}, no folder of a sweep; choose another --out.")
        states, mistakes = {}, []
        for run in self.runs:
            try:
                states[run.name] = run.state
            except RunError as error:
                mistakes.append(str(error))
        if mistakes:
            others = f" The same goes for {len(mistakes) - 1} more." if len(mistakes) > 1 else ""
            raise RunError(f"{mistakes[0]}{others}")
        return states

    def log(self, run: SweepRun) -> Path:
        """What a run said."""
        return self.folder / RECORDS / f"{run.name}.log"

    def shares(self, workers: int | None) -> list[dict[str, str]]:
        """The environment variables of each worker.

        Args:
            workers: how many; None for what the machine has.
        """
        trainers = [run.config["trainer"] for run in self.runs]
        threads = max((trainer["threads"] or 0 for trainer in trainers), default=0) or None
        is_cpu = all(trainer["device"] == "cpu" for trainer in trainers)
        return shares_of(len(self.runs), workers, threads=threads, is_cpu=is_cpu)


def plan_sweep(
    config: Path, folder: Path, overs: Sequence[str], overrides: Sequence[str], seeds: int | None, plugins: Plugins
) -> Sweep:
    """Every run of a sweep, each with its settings checked, and whether they go together; nothing is written.

    Args:
        config: the file that all runs have in common.
        folder: that holds the run folders.
        overs: `path=a,b,c` each; all combinations are run.
        overrides: `path=value` each, for all runs.
        seeds: how many, from the config's own on; None for that one, or for those that are varied.
        plugins: where components come from.

    Raises:
        MoftError: one line for each mistake.
    """
    values = parse_over(overs)
    if not values and seeds is None:
        raise ConfigError("nothing to sweep; give --over path.to.setting=a,b,c, --seeds N, or both.")
    if "seed" in values and seeds is not None:
        raise ConfigError("--seeds: seeds are varied by --over; leave one of them out.")
    if "plugins" in values:
        raise ConfigError("--over plugins: cannot be varied; name all the files in the config, and vary what they offer.")
    runs, mistakes, unknown = [], [], dict[str, str]()
    for chosen in combinations(values):
        try:
            resolved = read_settings(config, overrides_of(chosen, overrides), plugins)
            settings: RunSettings = resolved.make()
            together = json.dumps([resolved.plain[part] for part in ("task", "method", "profile")], sort_keys=True)
            if together not in unknown:  # asking opens data or a model's config, so once for what is the same
                unknown[together] = check_before_training(settings)
        except MoftError as error:
            mistakes += _without_values(str(error), chosen).splitlines()
            continue
        first = resolved.plain["seed"]
        for seed in range(first, first + (seeds or 1)):
            name = folder_name({**chosen, "seed": str(seed)} if "seed" not in values else chosen)
            runs.append(SweepRun(folder / name, {**resolved.plain, "seed": seed}))
    if mistakes:
        raise ConfigError("\n".join(dict.fromkeys(mistakes)))
    _refuse_twins(runs)
    return Sweep(folder, tuple(runs), tuple(dict.fromkeys(filter(None, unknown.values()))))


def run_sweep(
    sweep: Sweep, program: Sequence[str], shares: Sequence[Mapping[str, str]], on_progress: Callable[[str], object]
) -> list[JobResult]:
    """Makes every run that is not done, and goes on with those that are half-done.

    Args:
        sweep: from `plan_sweep`.
        program: the words that start `moft` in a process of its own, which ends when its input does.
        shares: environment variables of each worker.
        tell: given a line for each run that ends.

    Returns: the runs that failed.

    Raises:
        RunError: something else is in the place of a run, or another sweep is running there.
    """
    sweep.states()  # refused before anything is written
    with _held(sweep.folder):
        states = sweep.states()
        left = [run for run in sweep.runs if states[run.name] is not State.DONE]
        total, done, failed = len(sweep.runs), len(sweep.runs) - len(left), list[JobResult]()
        on_progress(f"{count_states(states)}; {len(shares)} at a time, logs in {sweep.folder / RECORDS}")

        def ended(job: JobResult) -> None:
            nonlocal done
            if job.error:
                failed.append(job)
                on_progress(f"{done} of {total} done; failed after {job.seconds:.1f} s: {job.job.name}")
            else:
                done += 1
                on_progress(f"{done} of {total} done; in {job.seconds:.1f} s: {job.job.name}")

        run_jobs((_job(sweep, run, program) for run in left), shares, ended)
        return failed


def count_states(states: Mapping[str, State]) -> str:
    """How many runs there are, and in what state."""
    found = list(states.values())
    parts = ", ".join(f"{found.count(state)} {state}" for state in State if state in found)
    return f"{len(found)} {'run' if len(found) == 1 else 'runs'}: {parts}"


def _job(sweep: Sweep, run: SweepRun, program: Sequence[str]) -> Job:
    """`moft train` of one run, from a config of its own, so that a change of the common file meanwhile changes nothing."""
    config = sweep.folder / RECORDS / f"{run.name}.yaml"
    atomic_write(config, dump(dict(run.config)).encode())
    return Job(run.name, (*program, "train", str(config), "--out", str(run.folder), "--resume"), sweep.log(run))


def _without_values(text: str, chosen: Mapping[str, str]) -> str:
    """The text with paths where it quotes overrides, so that a path that leads nowhere is told once for all its values."""
    for path, value in chosen.items():
        text = text.replace(repr(f"{path}={value}"), repr(path))
    return text


def _refuse_twins(runs: Sequence[SweepRun]) -> None:
    """Refuses two runs in one folder, and one run in two folders."""
    names: set[str] = set()
    configs: dict[str, str] = {}
    for run in runs:
        if run.name.lower() in names:  # some file systems do not tell large letters from small ones
            raise ConfigError(f"--over: two runs are called {run.name!r}, large letters aside; give each value once.")
        twin = configs.setdefault(json.dumps(run.config, sort_keys=True), run.name)
        if twin != run.name:
            raise ConfigError(f"--over: {twin!r} and {run.name!r} are the same run; leave one of them out.")
        names.add(run.name.lower())


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Keeps other sweeps out of a folder, until this process ends, however it ends."""
    records = folder / RECORDS
    records.mkdir(parents=True, exist_ok=True)
    try:
        lock = lock_folder(records)
    except RunError as error:
        raise RunError(f"{folder}: another sweep is running there; wait for it to end.") from error
    try:
        yield
    finally:
        lock.close()
