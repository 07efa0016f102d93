"""What every test relies on: one thread, a cache of its own, the installed plugins, and the real data where it is there."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported, which reads it once

import pytest
import torch

from moft.hooks.manager import Plugins

ROOT = Path(__file__).resolve().parents[1]

SMALL = """
task:
  name: ltr
  data: {data}
  objectives:
    first: {{column: 9}}
    second: {{column: 10, temperature: 0.5}}
  base: {{name: neural, epochs: 2, width: 8, layers: 1}}
  width: 16
  layers: 1
  items_per_batch: 64
method: cos-dpo
trainer: {{epochs: 2, device: cpu, threads: 1, checkpoint_steps: 1, evaluations: 2}}
profile: {{evaluator: ndcg, points: 3, samples: 20}}
"""


def pytest_configure() -> None:
    """Pins torch to one thread, in every worker."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Points `MOFT_CACHE` to a temporary folder, so that no test reads or fills the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOFT_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("MOFT_DISABLE_PLUGINS", raising=False)
        yield


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Puts torch back to one thread after a test that asked for more."""
    yield
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def mslr() -> Path:
    """The folder with real MSLR files: `train.txt`, `vali.txt` and `test.txt`."""
    data = Path(os.environ.get("MOFT_DATA", ROOT.parent / "shared" / "data"))
    folder = data / "ltr" / "mslr"
    if not (folder / "test.txt").exists():
        pytest.skip(f"no MSLR files in {folder}: set MOFT_DATA to a folder that holds ltr/mslr/test.txt")
    return folder


@pytest.fixture
def plugins() -> Plugins:
    """The installed plugins, loaded afresh."""
    loaded = Plugins()
    loaded.load()
    return loaded


@pytest.fixture(scope="session")
def lists(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with svmlight files of 24, 8 and 8 lists: eight features, then the labels of two objectives."""
    from moft_ltr.synthetic import Synthetic, make_synthetic

    folder = tmp_path_factory.mktemp("lists") / "data"
    make_synthetic(folder, Synthetic(lists=24, items=6, features=8), as_text=True)
    return folder


@pytest.fixture
def config(tmp_path: Path, lists: Path) -> Path:
    """A config that trains on `lists` in about a second."""
    path = tmp_path / "small.yaml"
    path.write_text(SMALL.format(data=lists), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, lists: Path) -> Path:
    """The folder of a finished run of such a config; copy it before changing anything there."""
    from moft.cli.app import main

    folder = tmp_path_factory.mktemp("finished")
    (folder / "small.yaml").write_text(SMALL.format(data=lists), encoding="utf-8")
    assert main(["train", str(folder / "small.yaml"), "--out", str(folder / "run")]) == 0
    return folder / "run"


@dataclass(frozen=True)
class Said:
    """What a command ended with: its exit code, stdout, and the lines of stderr that tell of mistakes."""

    code: int
    out: str
    mistakes: list[str]


@pytest.fixture
def moft(capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Runs `moft` in this process; what it shows of its progress is left out of `mistakes`."""
    from moft.cli.app import main

    def run(*words: object) -> Said:
        capsys.readouterr()
        code = main([str(word) for word in words])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return Said(code, out, [line for line in err.splitlines() if line.startswith("moft: ")])

    return run


@pytest.fixture
def match() -> Callable[[str, str], bool]:
    """Tells whether a pattern is found in a text, and shows both when it is not."""

    def found(pattern: str, text: str) -> bool:
        assert re.search(pattern, text), f"{text!r} has nothing like {pattern!r}"
        return True

    return found


@pytest.fixture
def steps() -> Callable[[Path], list[dict[str, Any]]]:
    """The journal of a run, without what a clock says."""

    def read(run: Path) -> list[dict[str, Any]]:
        lines = map(json.loads, (run / "steps.jsonl").read_text(encoding="utf-8").splitlines())
        return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]

    return read


@pytest.fixture
def learned(steps: Callable[[Path], list[dict[str, Any]]]) -> Callable[[Path], tuple[Any, ...]]:
    """All of a run that must be the same, bit for bit, in another one that learned the same; the policy comes first."""

    def read(run: Path) -> tuple[Any, ...]:
        front = json.loads((run / "front.json").read_text(encoding="utf-8"))
        policy = [(run / "policy" / f"{name}.safetensors").read_bytes() for name in ("policy", "task")]
        return *policy, front["points"], front["hypervolume"], front["notes"], steps(run)

    return read
