"""Runs moft in processes forked from one that has imported everything, each with a working folder of its own."""

from __future__ import annotations

import importlib
import os
import resource
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

IMPORTED = (
    "torch", "lightgbm", "transformers", "peft", "matplotlib.backends.backend_agg", "scipy.stats", "moft.cli.app",
    "moft.run.train", "moft.run.policy.open_run", "moft.run.report.html_page", "moft_llm.task", "moft_ltr.task",
)  # fmt: skip
MEMORY = 12 << 30
"""Bytes of address space of a process, of which torch alone reserves several billion."""


def started(words: list[str], folder: Path, cache: Path | None = None, *, processor_seconds: int | None = None) -> int:
    """Starts `moft WORDS` in a folder, in a process group of its own; what it prints is in `FOLDER.out` and `FOLDER.err`.

    Returns: the number of the process, which its parent waits for.
    """
    if process := os.fork():
        return process
    code = 70
    try:
        os.setsid()
        os.chdir(folder)
        for number, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(f"{folder}.{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if processor_seconds is not None:
            resource.setrlimit(resource.RLIMIT_CPU, (processor_seconds, processor_seconds + 1))
        if cache is not None:
            os.environ["MOFT_CACHE"] = str(cache)
        from moft.cli.app import main

        code = main(words)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


@contextmanager
def scratch(make: Callable[[Path], None]) -> Iterator[Path]:
    """A temporary folder with the folder `samples`, which `make` filled in a process of its own; everything is imported then.

    Training leaves threads behind that a fork does not take along: that is why.
    """
    with TemporaryDirectory() as temporary:
        os.environ["MOFT_CACHE"], os.environ["MOFT_STATE"] = f"{temporary}/cache", f"{temporary}/state"
        samples = Path(temporary, "samples")
        samples.mkdir()
        if not (process := os.fork()):
            _make(make, samples)
        if os.waitpid(process, 0)[1]:
            sys.exit("the samples could not be made.")
        for name in IMPORTED:
            importlib.import_module(name)
        importlib.import_module("torch").set_num_threads(1)
        yield Path(temporary)


def _make(make: Callable[[Path], None], samples: Path) -> None:
    """The process that makes the samples: it ends here."""
    code = 1
    try:
        os.chdir(samples)
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        make(samples)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)
