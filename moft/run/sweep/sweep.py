"""Plans many runs from one config, checks all of them, and runs those that are not done, several at a time."""

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
from moft.files.leftovers import remove_leftovers_in
from moft.hooks.plugin_manager import Plugins
from moft.run.checks.compatibility import check_before_training
from moft.run.folder.resume import check_same_config
from moft.run.folder.run_folder import LOCK, RunFolder, check_is_free, is_unused, lock_folder
from moft.run.run_config import read_settings
from moft.run.run_settings import RunSettings
from moft.run.sweep.combinations import combinations, folder_name, overrides_of, parse_over
from moft.run.sweep.worker_processes import Job, JobResult, run_jobs, shares_of

RECORDS = ".sweep"
"""The folder of a sweep's logs and configs; hidden, so that `DIR/*` matches only the runs."""


class State(StrEnum):
    """The state of a run."""

    DONE = "done"
    MEASURE = "to measure again"
    UNFINISHED = "unfinished"
    NEW = "to do"


@dataclass(frozen=True)
class SweepRun:
    """One run of a sweep.

    Args:
        folder: its run folder.
        config: resolved.
        plugins: see `check_same_config`.
    """

    folder: Path
    config: Mapping[str, Any]
    plugins: Plugins

    @property
    def name(self) -> str:
        """Name of its folder: the varied settings and the seed."""
        return self.folder.name

    @property
    def state(self) -> State:
        """Whether it is done.

        Raises:
            RunError: its folder has another run or is not a run.
        """
        if not self.folder.exists() or is_unused(self.folder):
            return State.NEW
        run = RunFolder(self.folder)
        if not run.config.is_file():
            check_is_free(self.folder)
        kept = check_same_config(run, self.config, self.plugins)
        if not run.front.exists():  # the last of the results that are written
            return State.UNFINISHED
        changed = run.config.stat().st_mtime_ns  # when it was made, or resumed with other profile settings
        is_measured = kept["profile"] == self.config["profile"] and run.front.stat().st_mtime_ns >= changed
        return State.DONE if is_measured else State.MEASURE


@dataclass(frozen=True)
class Sweep:
    """All runs of a sweep.

    Args:
        folder: that holds their folders.
        runs: in the order in which they start.
        unchecked: what could not be checked, in sentences.
    """

    folder: Path
    runs: tuple[SweepRun, ...]
    unchecked: tuple[str, ...] = ()

    def states(self) -> dict[str, State]:
        """The state of each run, by name.

        Raises:
            RunError: the folder of the sweep or of a run holds something else.
        """
        if (self.folder / "config.yaml").exists() or (self.folder.exists() and not self.folder.is_dir()):
            kind = "a run" if self.folder.is_dir() else "a file"
            raise RunError(f"{self.folder}: is {kind}, not the folder of a sweep; choose another --out.")
        states, mistakes = {}, []
        for run in self.runs:
            try:
                states[run.name] = run.state
            except RunError as error:
                mistakes.append(str(error))
        if mistakes:
            others = f" The same is true of {len(mistakes) - 1} more." if len(mistakes) > 1 else ""
            raise RunError(f"{mistakes[0]}{others}")
        return states

    def log(self, run: SweepRun) -> Path:
        """The log of a run."""
        return self.folder / RECORDS / f"{run.name}.log"

    def shares(self, workers: int | None) -> list[dict[str, str]]:
        """The environment variables of each worker.

        Args:
            workers: how many; None for as many as the machine allows.
        """
        trainers = [run.config["trainer"] for run in self.runs]
        threads = max((trainer["threads"] or 0 for trainer in trainers), default=0) or None
        is_cpu = all(trainer["device"] == "cpu" for trainer in trainers)
        return shares_of(len(self.runs), workers, threads=threads, is_cpu=is_cpu)


def plan_sweep(
    config: Path,
    folder: Path,
    overs: Sequence[str],
    overrides: Sequence[str],
    seeds: int | None,
    plugins: Plugins,
    *,
    is_run: bool = True,
    trust: bool = False,
) -> Sweep:
    """Plans every run of a sweep and checks its settings; nothing is written.

    Args:
        config: the config file of all runs.
        folder: for the run folders.
        overs: `path=a,b,c` each; all combinations are run.
        overrides: `path=value` each, for all runs.
        seeds: how many, from the seed of the config on; None for that one, or if seeds are varied.
        plugins: offer the components.
        is_run: see `read_settings`.
        trust: see `read_settings`.

    Raises:
        MoftError: settings are wrong; one line for each mistake.
    """
    values = parse_over(overs)
    if not values and seeds is None:
        raise ConfigError("nothing to sweep; give --over path.to.setting=a,b,c, --seeds N, or both.")
    if "seed" in values and seeds is not None:
        raise ConfigError("--seeds: seeds are varied by --over; leave one of them out.")
    if "plugins" in values:
        raise ConfigError("--over plugins: cannot be varied; name all the files in the config, and vary what they offer.")
    runs, mistakes, unchecked = [], [], dict[str, tuple[str, ...]]()
    for chosen in combinations(values):
        try:
            resolved = read_settings(config, overrides_of(chosen, overrides), plugins, is_run=is_run, trust=trust)
            settings: RunSettings = resolved.make()
            checked = json.dumps([resolved.plain[part] for part in ("task", "method", "profile")], sort_keys=True)
            if checked not in unchecked:  # the check opens data or the config of a model, so it is made once for equal settings
                unchecked[checked] = check_before_training(settings)
        except MoftError as error:
            mistakes += _without_values(str(error), chosen).splitlines()
            continue
        first = resolved.plain["seed"]
        for seed in range(first, first + (seeds or 1)):
            name = folder_name({**chosen, "seed": str(seed)} if "seed" not in values else chosen)
            runs.append(SweepRun(folder / name, {**resolved.plain, "seed": seed}, plugins))
    if mistakes:
        raise ConfigError("\n".join(dict.fromkeys(mistakes)))
    _refuse_twins(runs)
    return Sweep(
        folder, tuple(runs), tuple(dict.fromkeys(sentence for sentences in unchecked.values() for sentence in sentences))
    )


def run_sweep(
    sweep: Sweep, program: Sequence[str], shares: Sequence[Mapping[str, str]], on_progress: Callable[[str], object]
) -> list[JobResult]:
    """Runs everything that is not done, and resumes unfinished runs.

    Args:
        sweep: from `plan_sweep`.
        program: the command that starts `moft` in a process of its own, which ends when its stdin is closed.
        shares: environment variables of each worker.
        on_progress: called with a line of text for each run that ends.

    Returns: the runs that failed.

    Raises:
        RunError: the folder of a run holds something else, or another sweep is running there.
    """
    sweep.states()  # refused before anything is written
    with _held(sweep.folder):
        states = sweep.states()
        left = [run for run in sweep.runs if states[run.name] is not State.DONE]
        total, done, failed = len(sweep.runs), len(sweep.runs) - len(left), list[JobResult]()
        on_progress(f"{count_states(states)}; {len(shares)} at a time, logs in {sweep.folder / RECORDS}")

        def report(result: JobResult) -> None:
            nonlocal done
            if result.error:
                failed.append(result)
                on_progress(f"{done} of {total} done; failed after {result.seconds:.1f} s: {result.job.name}")
            else:
                done += 1
                on_progress(f"{done} of {total} done; in {result.seconds:.1f} s: {result.job.name}")

        run_jobs((_job(sweep, run, program) for run in left), shares, report)
        return failed


def count_states(states: Mapping[str, State]) -> str:
    """How many runs there are in each state, in words."""
    values = list(states.values())
    parts = ", ".join(f"{values.count(state)} {state}" for state in State if state in values)
    return f"{len(values)} {'run' if len(values) == 1 else 'runs'}: {parts}"


def _job(sweep: Sweep, run: SweepRun, program: Sequence[str]) -> Job:
    """`moft train` of one run, from its own copy of the config, so that the common file can be edited meanwhile."""
    config = sweep.folder / RECORDS / f"{run.name}.yaml"
    atomic_write(config, dump(dict(run.config)).encode())
    return Job(run.name, (*program, "train", str(config), "--out", str(run.folder), "--resume"), sweep.log(run))


def _without_values(text: str, chosen: Mapping[str, str]) -> str:
    """The text with the path in place of `path=value`, so that an unknown setting is reported once for all its values."""
    for path, value in chosen.items():
        text = text.replace(repr(f"{path}={value}"), repr(path))
    return text


def _refuse_twins(runs: Sequence[SweepRun]) -> None:
    """Refuses two runs with one folder, and two folders with one run."""
    names: set[str] = set()
    configs: dict[str, str] = {}
    for run in runs:
        if run.name.lower() in names:  # some file systems ignore upper and lower case
            raise ConfigError(f"--over: two runs are called {run.name!r}, apart from upper and lower case; give each value once.")
        twin = configs.setdefault(json.dumps(run.config, sort_keys=True), run.name)
        if twin != run.name:
            raise ConfigError(f"--over: {twin!r} and {run.name!r} are the same run; leave one of them out.")
        names.add(run.name.lower())


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Locks a folder against other sweeps, at most until this process ends."""
    records = folder / RECORDS
    for place in (records, records / LOCK):
        if place.is_symlink():
            raise RunError(f"{place}: is a symbolic link, and moft writes only into the folder of the sweep; remove the link.")
    records.mkdir(parents=True, exist_ok=True)
    try:
        lock = lock_folder(records)
    except RunError as error:
        raise RunError(f"{folder}: another sweep is running there; wait for it to end.") from error
    try:
        remove_leftovers_in(records, ("*.yaml",))
        yield
    finally:
        lock.close()
