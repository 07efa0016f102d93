"""What is started for a run: its exported folder, the interpreter that has vLLM, and the options of the user."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from moft import ConfigError
from moft.api import TextEngineSettings
from moft_llm.export.card_metadata import Provenance
from moft_llm.export.export import base_path
from moft_llm.export.vllm_folder import export_vllm
from moft_llm.generation.opened_llm_run import LLMRun
from moft_vllm.adapters import SHARED_MEMORY
from moft_vllm.policy import read_record

_OWN = ("--host", "--port", "--uds", "--api-key", "--base", "--print", "--help", "-h")
"""Options that `moft serve` gives itself, or that start no server."""
_TRIED = 120  # seconds in which an interpreter says whether it has vLLM
_HAS_VLLM = "import importlib.util, sys; sys.exit(importlib.util.find_spec('vllm') is None)"


@dataclass(frozen=True)
class Launch:
    """What is started, each time anew.

    Args:
        name: of the run, for the log.
        python: an interpreter that has vLLM.
        folder: that was exported, in a temporary folder of its own.
        adapters: the folder in which vLLM's part keeps adapters; emptied between two processes.
        record: of the exported folder.
        steps: that weights are rounded to multiples of; 0 rounds none.
        options: of the start script and of vLLM.
        is_other: the interpreter is not that of this process, so `PYTHONPATH` is not meant for it.
    """

    name: str
    python: str
    folder: Path
    adapters: Path
    record: Mapping[str, Any]
    steps: int
    options: Sequence[str]
    is_other: bool

    def remove(self) -> None:
        """Deletes the temporary folders."""
        _delete(self.folder.parent, self.adapters)


def prepare(run: LLMRun, settings: TextEngineSettings) -> Launch:
    """Exports a run, for vLLM to be started with.

    Args:
        run: to export.
        settings: with the interpreter and the options.

    Raises:
        ConfigError: the interpreter has no vLLM, an option is moft's own, or vLLM cannot be given the policy.
        RunError: the folder cannot be written.
    """
    python = _with_vllm(settings.python)
    steps, options = _options(settings.options)
    work = Path(tempfile.mkdtemp(prefix="moft-serve-"))
    adapters = Path(tempfile.mkdtemp(prefix="moft-serve-", dir=SHARED_MEMORY if SHARED_MEMORY.is_dir() else None))
    try:
        export_vllm(run, work / "export", Provenance())
        record = read_record(work / "export")
    except BaseException as error:
        _delete(work, adapters)
        if isinstance(error, ConfigError):
            told = str(error).removeprefix("--for vllm: ")
            raise ConfigError(
                f"--engine vllm takes what `moft export --for vllm` takes, which is not this run: {told}"
            ) from error
        raise
    base = [] if record["is_base_inside"] else ["--base", base_path(run.task.source)[0]]
    common = ["--max-num-seqs", str(settings.rows), "--disable-uvicorn-access-log"]
    steps = record["steps"] if steps is None else steps
    return Launch(
        name=run.opened.folder.path.name,
        python=python,
        folder=work / "export",
        adapters=adapters,
        record=record,
        steps=steps,
        options=[*base, *common, *options, "--steps", str(steps)],
        is_other=settings.python is not None,
    )


def _with_vllm(python: str | None) -> str:
    """An interpreter that has vLLM: the one that was named, or that of this process.

    Raises:
        ConfigError: it has none.
    """
    advice = "install vLLM in an environment of its own (`pip install vllm`), and name its interpreter by --vllm-python PATH."
    if python is None:
        if find_spec("vllm") is None:
            raise ConfigError(f"--engine vllm: the interpreter of moft has no vLLM; {advice}")
        return sys.executable
    found = shutil.which(python)
    if found is None:
        raise ConfigError(f"--vllm-python {python}: is no program; {advice}")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    try:
        tried = subprocess.run(
            [found, "-c", _HAS_VLLM],
            check=False,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TRIED,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(f"--vllm-python {python}: does not run ({error}); {advice}") from error
    if tried.returncode:
        raise ConfigError(f"--vllm-python {python}: is no interpreter with vLLM; {advice}")
    return os.path.abspath(found)


def _options(words: Sequence[str]) -> tuple[int | None, list[str]]:
    """The steps that the options give, if they do, and the other options.

    Raises:
        ConfigError: one is moft's own, or the steps are no number.
    """
    for word in words:
        if word.partition("=")[0] in _OWN:
            raise ConfigError(
                f"--vllm-options: {word} is not for you to give; `moft serve` gives vLLM its address and its model."
            )
    parser = argparse.ArgumentParser(allow_abbrev=False, add_help=False, exit_on_error=False)
    parser.add_argument("--steps", type=int)
    try:
        known, others = parser.parse_known_args(list(words))
    except argparse.ArgumentError as error:
        raise ConfigError(f"--vllm-options: {error}.") from error
    if known.steps is not None and known.steps < 0:
        raise ConfigError(f"--vllm-options: --steps {known.steps} must be at least 0.")
    return known.steps, others


def _delete(*folders: Path) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
