"""Kills moft at random moments, goes on, and compares: `python -m tests.hostile.kills --count 200`.

A chain is one piece of work that is killed and gone on with until it ends. It is right if what it wrote is what the same work
wrote undisturbed, bit by bit, and if the folder and the cache hold the same files.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from tests.hostile import isolated
from tests.hostile.samples import make_samples

CHAINS = {
    "ranker": "train neural.yaml --out run --resume --set trainer.epochs=4 --set trainer.checkpoint_steps=2",
    "ranker with trees": "train trees.yaml --out run --resume --set trainer.epochs=4 --set trainer.checkpoint_steps=2",
    "LightGBM base": "train neural.yaml --out run --resume --set task.base=lambdamart",
    "language model": "train llm.yaml --out run --resume --set trainer.epochs=2 --set trainer.checkpoint_steps=1",
    "ranker, profile": "profile neural-run --points 30 --out out",
    "language model, profile": "profile llm-run --points 9 --out out",
    "ranker, choose": "choose neural-run --keep 'main >= 50% of base' --maximise first --confidence 0.5",
    "export": "export llm-run out --weights 0.5,0.5",
    "ranker, export": "export trees-run out --as onnx",
    "compare": "compare neural-run trees-run --out out",
    "data sample": "data sample model --openings 24 --scorer short=brevity --max-new-tokens 8 --batch 8 --out sampled.jsonl",
    "data convert": "data convert data/train.txt out",
}
"""The work of each chain; the same words begin it and go on with it."""

CHANGING = {"seconds", "created", "started", "finished", "machine", "path", "run", "out", "session_seconds"}
"""Keys of JSON whose values depend on the clock or the folder."""


@dataclass
class Ended:
    """What a chain left.

    Args:
        kills: that hit it.
        files: names within the working folder, and the cache.
        content: of each file that must be the same.
        error: what its last session said, if it failed.
    """

    kills: int
    files: set[str]
    content: dict[str, Any]
    error: str = ""


def worked(words: list[str], folder: Path, samples: Path, random: Random | None, seconds: float) -> Ended:
    """Works in `folder` until the command ends by itself.

    Args:
        words: of `moft`.
        folder: to be made, beside the cache of the chain.
        samples: what the folder holds at first.
        random: decides when it is killed; None never kills.
        seconds: that the work takes; kills come within them.
    """
    shutil.copytree(samples, folder)
    cache, kills = folder.with_name(f"{folder.name}-cache"), 0
    while True:
        process = isolated.started(words, folder, cache)
        until = time.monotonic() + (600 if random is None or kills > 7 else random.uniform(0.01, 1.05) * seconds)
        status = None
        while status is None:
            ended, found = os.waitpid(process, os.WNOHANG)
            if ended:
                status = found
            elif time.monotonic() > until:
                os.killpg(process, signal.SIGKILL)
                os.waitpid(process, 0)
                break
            else:
                time.sleep(0.001)
        if status is None:
            kills += 1
            continue
        error = "" if status == 0 else Path(f"{folder}.err").read_text(errors="replace")[-500:]
        if error and "already exists" in error and kills:  # the kill came after its last step
            error = ""
        return Ended(kills, _names(folder) | {f"cache/{name}" for name in _names(cache)}, _content(folder), error)


def _names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def _content(folder: Path) -> dict[str, Any]:
    """What must be the same: bytes, or the JSON without what a clock says."""
    found: dict[str, Any] = {}
    for path in [
        *folder.glob("run/**/*"),
        *folder.glob("out/**/*"),
        *folder.glob("*-run/choices/**/*"),
        *folder.glob("sampled*"),
    ]:
        if path.suffix in (".html", ".png", ".log") or not path.is_file():
            continue
        name = str(path.relative_to(folder))
        if path.suffix == ".json":
            found[name] = _steady(json.loads(path.read_text(encoding="utf-8")))
        elif path.name == "steps.jsonl":
            found[name] = [_steady(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
        else:
            found[name] = path.read_bytes()
    return found


def _steady(value: Any) -> Any:
    """The value without the keys of `CHANGING`."""
    if isinstance(value, dict):
        return {key: _steady(item) for key, item in value.items() if key not in CHANGING and "second" not in key}
    return [_steady(item) for item in value] if isinstance(value, list) else value


def main() -> int:
    """Runs chains until so many kills have hit; 1 if one went wrong."""
    options = argparse.ArgumentParser(prog="python -m tests.hostile.kills", description=__doc__)
    options.add_argument("--count", type=int, default=200, help="number of kills")
    options.add_argument("--seed", type=int, default=0, help="of the moments")
    options.add_argument("--only", help="name of one chain")
    options.add_argument("--keep", type=Path, help="folder for the chains that went wrong")
    chosen = options.parse_args()
    names = [chosen.only] if chosen.only else list(CHAINS)
    random, table = Random(chosen.seed), {name: [0, 0, 0, 0] for name in names}
    with isolated.scratch(make_samples) as temporary:
        samples, expected, number = temporary / "samples", {}, 0
        while sum(kills for _, kills, _, _ in table.values()) < chosen.count:
            name = names[number % len(names)]
            number += 1
            words, folder = shlex.split(CHAINS[name]), temporary / "chain"
            if name not in expected:
                began = time.monotonic()
                whole = worked(words, folder, samples, None, 0)
                expected[name] = (whole, time.monotonic() - began)
                assert not whole.error, f"{name}: {whole.error}"
                _clear(folder)
            whole, seconds = expected[name]
            ended = worked(words, folder, samples, random, seconds)
            differs = sorted(
                file for file in {*whole.content, *ended.content} if whole.content.get(file) != ended.content.get(file)
            )
            left = sorted(ended.files - whole.files)
            wrong = (bool(ended.error or differs), bool(left))
            table[name] = [one + more for one, more in zip(table[name], (1, ended.kills, *map(int, wrong)), strict=True)]
            if any(wrong):
                print(f"{number} {name}: {ended.kills} kills; differ {differs}; left {left}; {ended.error}", flush=True)
                if chosen.keep:
                    shutil.copytree(folder, chosen.keep / str(number), dirs_exist_ok=True)
            _clear(folder)
    print(f"{'work':26}{'chains':>8}{'kills':>8}{'wrong':>8}{'left':>8}")
    for name, counts in table.items():
        print(f"{name:26}" + "".join(f"{count:8}" for count in counts))
    totals = [sum(column) for column in zip(*table.values(), strict=True)]
    print(f"{'all':26}" + "".join(f"{count:8}" for count in totals))
    return int(any(totals[2:]))


def _clear(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(folder.with_name(f"{folder.name}-cache"), ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
