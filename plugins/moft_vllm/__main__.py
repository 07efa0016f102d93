"""`python -m moft_vllm FOLDER`: starts vLLM's server with an exported policy."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from moft_vllm.errors import FolderError
from moft_vllm.policy import ADAPTER, TEMPLATE, TOKENIZER, Policy
from moft_vllm.served import FOLDER, KEPT, STEPS

_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # that vLLM has
_PROGRAM = "vllm.entrypoints.openai.api_server"


def main(words: Sequence[str] | None = None) -> int:
    """Reads the options and becomes vLLM's server; it returns only where that does not happen."""
    parser = argparse.ArgumentParser(prog="python -m moft_vllm", description=__doc__, allow_abbrev=False)
    parser.add_argument("folder", type=Path, help="that `moft export RUN FOLDER --for vllm` wrote")
    parser.add_argument("--base", help="folder or hub name of the base model; default that of the export")
    parser.add_argument("--slots", type=int, default=16, help="weightings of gates in one step of the engine; default 16")
    parser.add_argument("--kept", type=int, help="adapters of weightings that stay loaded; default four for each slot")
    parser.add_argument("--steps", type=int, help="weights are rounded to multiples of 1 / STEPS; 0 for none")
    parser.add_argument("--print", action="store_true", help="only print the command that would be run")
    options, more = parser.parse_known_args(words)
    for name in ("slots", "kept", "steps"):
        least = 0 if name == "steps" else 1
        if (value := getattr(options, name)) is not None and value < least:
            parser.error(f"--{name} must be at least {least}")
    if any(word.partition("=")[0] in ("--api-server-count", "-asc") for word in more):
        parser.error("--api-server-count is not available: adapters are known to one server; start several behind a balancer")
    try:
        record = Policy.read(options.folder).record
        if not options.print and find_spec("vllm") is None:
            raise FolderError(f"{sys.executable} has no vLLM: install it by `pip install vllm`, or name its Python in PYTHON.")
        kept = 4 * options.slots if options.kept is None else options.kept
        arguments, variables = command(record, options.folder.resolve(), options.base, options.slots, kept)
    except FolderError as error:
        print(f"moft_vllm: error: {error}", file=sys.stderr)
        return 2
    if options.steps is not None:
        variables[STEPS] = str(options.steps)
    if options.print:
        print(shlex.join([*(f"{name}={value}" for name, value in variables.items()), "python", *arguments, *more]))
        return 0
    return os.execve(sys.executable, [sys.executable, *arguments, *more], {**os.environ, **variables})


def command(record: Mapping[str, Any], folder: Path, base: str | None, slots: int, kept: int) -> tuple[list[str], dict[str, str]]:
    """The arguments of Python, and variables of the environment.

    Args:
        record: of the folder.
        folder: of the policy, absolute.
        base: of the user; None for that of the record.
        slots: adapters in one step of the engine.
        kept: adapters that stay loaded.

    Raises:
        FolderError: the base model is a folder that is not there.
    """
    model = base or (str(folder / record["base"]) if record["is_base_inside"] else record["base"])
    if model.startswith((".", "/", "~")) and not Path(model).expanduser().is_dir():
        raise FolderError(f"{model}: no such folder with the base model {record['base_name']}; give its place with --base.")
    words = ["-m", _PROGRAM, "--model", str(Path(model).expanduser()) if model.startswith("~") else model]
    words += ["--served-model-name", record["base_name"], "--tokenizer", str(folder / TOKENIZER), "--dtype", record["dtype"]]
    words += ["--generation-config", "vllm", "--chat-template", str(folder / TEMPLATE)]
    words += ["--middleware", "moft_vllm.middleware.Middleware"]
    variables = {FOLDER: str(folder), KEPT: str(kept)}
    if record["prefix"]:
        words.append("--enable-prompt-embeds")
    if record["lora"] is not None:
        rank = next((each for each in _RANKS if each >= record["lora"]["rank"]), record["lora"]["rank"])
        used = slots if record["has_gates"] else 1
        words += [
            "--enable-lora",
            "--max-lora-rank",
            str(rank),
            "--max-loras",
            str(used + 1),
        ]  # and the base model for the base model
        words += ["--lora-target-modules", *record["lora"]["targets"]]
        if record["has_gates"]:
            words += ["--max-cpu-loras", str(max(kept, used) + 1)]
            variables["VLLM_ALLOW_RUNTIME_LORA_UPDATING"] = "1"
        else:
            words += ["--lora-modules", f"{record['name']}={folder / ADAPTER}"]
    home = str(Path(__file__).resolve().parents[1])
    variables["PYTHONPATH"] = os.pathsep.join([home, *([os.environ["PYTHONPATH"]] if os.environ.get("PYTHONPATH") else [])])
    return words, variables


if __name__ == "__main__":
    sys.exit(main())
