"""Runs moft on mutated inputs and prints what went wrong: `python -m tests.hostile --count 20000`.

A case is right if it ends within five seconds with exit code 0 and finite numbers, or with exit code 2 and one line for each
mistake. Every case is a process of its own, forked from this one, with the working folder of its own.
"""

from __future__ import annotations

import argparse
import os
import re
import select
import shutil
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.hostile import isolated
from tests.hostile.cases import Reader, prepared
from tests.hostile.samples import make_samples

LIMIT = 5
"""Seconds that a case may take, of a clock and of a processor."""

NOT_FINITE = re.compile(r"(?<![\w.])[-+]?(nan|inf|infinity)(?![\w.])", re.IGNORECASE)
OUTCOMES = ("read", "refused", "traceback", "hang", "crash", "not finite", "no line")


@dataclass
class Case:
    """A case that runs."""

    number: int
    reader: Reader
    file: Path
    words: list[str]
    folder: Path
    process: int
    until: float

    def outcome(self, status: int, *, is_late: bool) -> str:
        """How the case ended, one of `OUTCOMES`."""
        code = os.waitstatus_to_exitcode(status)
        out, err = ((self.folder.parent / f"{self.folder.name}.{name}").read_text(errors="replace") for name in ("out", "err"))
        if is_late or code == -signal.SIGXCPU:
            return "hang"
        if code < 0:
            return "crash"
        if code not in (0, 2) or "Traceback (most recent call last)" in err:
            return "traceback"
        if code == 2:
            lines = [line for line in err.splitlines() if line.startswith("moft: error: ")]
            return "refused" if lines and max(map(len, lines)) < 3000 else "no line"
        written = out if self.words[0] == "score" else ""
        for path in self.folder.glob("out/*.json"):
            written += path.read_text(errors="replace")
        return "not finite" if NOT_FINITE.search(written) else "read"


def started(number: int, seed: int, samples: Path, cases: Path, *, is_quick: bool, seconds: float) -> Case:
    """Starts the process of a case, which may take so many seconds."""
    folder = cases / str(number)
    shutil.copytree(samples, folder)
    reader, file, words = prepared(number, seed, samples, folder, is_quick=is_quick)
    return Case(
        number, reader, file, words, folder, isolated.started(words, folder, processor_seconds=LIMIT), time.monotonic() + seconds
    )


def ended(running: list[Case]) -> tuple[Case, int, bool]:
    """The next case that ends or is late, taken from `running`: with its status, and whether it was late."""
    while True:
        for case in running:
            process, status = os.waitpid(case.process, os.WNOHANG)
            is_late = not process and time.monotonic() > case.until
            if is_late:
                os.killpg(case.process, signal.SIGKILL)
                _, status = os.waitpid(case.process, 0)
            if process or is_late:
                running.remove(case)
                return case, status, is_late
        select.select([], [], [], 0.002)


def main() -> int:
    """Runs the cases that the command line asks for; 1 if one went wrong."""
    options = argparse.ArgumentParser(prog="python -m tests.hostile", description=__doc__)
    options.add_argument("--count", type=int, default=300, help="number of cases")
    options.add_argument("--first", type=int, default=0, help="number of the first case; the same number is the same case")
    options.add_argument("--seed", type=int, default=0, help="of all cases")
    options.add_argument("--processes", type=int, default=1, help="cases at a time")
    options.add_argument("--seconds", type=float, default=LIMIT, help="that a case may take by the clock; more on a busy machine")
    options.add_argument("--quick", action="store_true", help="only commands that neither train nor measure")
    options.add_argument("--keep", type=Path, help="empty folder for the cases that went wrong")
    chosen = options.parse_args()
    table: dict[str, Counter[str]] = {}
    with isolated.scratch(make_samples) as temporary:
        samples, cases = temporary / "samples", temporary / "cases"
        cases.mkdir()
        waiting, running = list(range(chosen.first, chosen.first + chosen.count))[::-1], []
        while waiting or running:
            while waiting and len(running) < chosen.processes:
                running.append(started(waiting.pop(), chosen.seed, samples, cases, is_quick=chosen.quick, seconds=chosen.seconds))
            case, status, is_late = ended(running)
            outcome = case.outcome(status, is_late=is_late)
            table.setdefault(case.reader.name, Counter())[outcome] += 1
            if outcome not in OUTCOMES[:2]:
                _report(case, outcome, chosen.keep)
            shutil.rmtree(case.folder, ignore_errors=True)
    return _printed(table)


def _report(case: Case, outcome: str, keep: Path | None) -> None:
    """Prints a case that went wrong, and keeps its folder."""
    err = Path(f"{case.folder}.err").read_text(errors="replace").splitlines()
    last = next((line for line in reversed(err) if line.strip()), "")[:300]
    print(f"{case.number}: {outcome}: {case.file}: moft {' '.join(case.words)}: {last}", flush=True)
    if keep is not None:
        shutil.copytree(case.folder, keep / str(case.number), dirs_exist_ok=True)
        shutil.copy(f"{case.folder}.err", keep / f"{case.number}.err")


def _printed(table: dict[str, Counter[str]]) -> int:
    """Prints the number of outcomes for each reader; 1 if one is wrong."""
    print(f"{'reader':24}" + "".join(f"{name:>12}" for name in OUTCOMES))
    for name, counts in sorted(table.items()):
        print(f"{name:24}" + "".join(f"{counts[outcome]:12}" for outcome in OUTCOMES))
    total = sum(table.values(), Counter())
    print(f"{'all':24}" + "".join(f"{total[outcome]:12}" for outcome in OUTCOMES))
    return int(any(total[outcome] for outcome in OUTCOMES[2:]))


if __name__ == "__main__":
    sys.exit(main())
