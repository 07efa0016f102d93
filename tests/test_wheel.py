"""The wheel: it has every file that moft reads, and works in an environment that has no checkout."""

from __future__ import annotations

import os
import re
import site
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BUILD = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"
USED = """
import sys
for name in sys.argv[1:]:
    sys.modules[name] = None  # as where no extra is installed
import moft
from moft.cli.app import main

def run(*words):
    print("$", *words, flush=True)
    if code := main([*map(str, words)]):
        sys.exit(f"exit code {code}")

print(moft.__file__)
run("plugins")
run("new", "example", "ltr/synthetic")
run("new", "example", "demo")
run("data", "make", "synthetic", "lists", "--lists", 24, "--items", 6, "--features", 8)
run("new", "config", "ltr", "--data", "lists", "--out", "mine.yaml")
run("config", "check", "mine.yaml", "configs/ltr/synthetic.yaml")
short = ["task.base.epochs=1", "trainer.epochs=1", "trainer.evaluations=1", "profile.points=3", "profile.bootstrap_samples=20"]
run("train", "mine.yaml", *(word for setting in short for word in ("--set", setting)))
run("score", "runs/mine", "lists/test", "--weights", "0.5,0.5", "--out", "scores.txt")
run("new", "plugin", "mine")
assert main(["serve", "runs/mine"]) == 2
assert main(["config", "check", "configs/llm/demo.yaml"]) == 2
"""

EXTRAS = (
    *("transformers", "peft", "tokenizers", "datasets", "pyarrow", "gguf", "lightgbm", "vaderSentiment", "onnxruntime"),
    *("fastapi", "uvicorn", "prometheus_client"),
)
"""Packages that only extras install, or what those need."""
EXAMPLES = ("llm", "ltr", "paper")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that pip would build from this checkout."""
    if find_spec("hatchling") is None:
        pytest.skip("building a wheel without a network needs hatchling; it is in the group 'test'")
    folder = tmp_path_factory.mktemp("wheel")
    built = subprocess.run([sys.executable, "-c", BUILD, str(folder)], cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return folder / built.stdout.strip()


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a new environment with the wheel; what it needs is taken from this one, but moft itself is not."""
    folder = tmp_path_factory.mktemp("environment") / "env"
    venv.create(folder, with_pip=False, symlinks=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    ours = [path for path in site.getsitepackages() if (Path(path) / "pluggy").is_dir()]
    (packages / "dependencies.pth").write_text("".join(f"{path}\n" for path in ours), encoding="utf-8")
    command = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install", "-q", "--no-index"]
    done = subprocess.run([*command, "--no-deps", "--no-compile", str(wheel)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / "bin"


def shipped_files() -> Iterator[str]:
    """Every file of the checkout that belongs into a wheel, by its path there."""
    for folder, place in (
        ("moft", "moft"),
        ("plugins", "."),
        *((f"configs/{name}", f"moft/configs/{name}") for name in EXAMPLES),
    ):
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and path.suffix != ".pyc":
                yield (Path(place) / path.relative_to(ROOT / folder)).as_posix()


def run(folder: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    variables = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    variables |= {"OMP_NUM_THREADS": "1", "SYNTHETIC": "lists", "MOFT_CACHE": str(folder / "cache")}
    return subprocess.run([str(word) for word in command], cwd=folder, capture_output=True, text=True, env=variables)


def test_the_wheel_has_every_file_of_moft_and_nothing_else(wheel):
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert held == set(shipped_files())
    assert {"moft/py.typed", "moft/run/report/report.html.j2", "moft/configs/llm/demo-prompts.txt"} <= held


@pytest.mark.slow
def test_the_wheel_works_without_a_checkout_and_without_extras(environment, tmp_path):
    assert run(tmp_path, environment / "moft", "--help").returncode == 0
    done = run(tmp_path, environment / "python", "-c", USED, *EXTRAS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith(str(environment.parent / "lib"))
    assert re.search(r"^(Broken|Clashes):", done.stdout, re.MULTILINE) is None
    needs = "needs the packages transformers and peft: pip install 'moft[llm]'."
    assert f"\nNeed more packages:\n  task llm {needs}\n" in done.stdout
    lines = done.stderr.splitlines()
    assert lines[-1] == f"moft: error: configs/llm/demo.yaml:5: task: task 'llm' {needs}"
    assert lines[-2] == "moft: error: moft serve needs the package fastapi: pip install 'moft[serve]'."
    for name in ("runs/mine/report.html", "runs/mine/front.png", "configs/llm/demo-prompts.txt", "moft-mine/pyproject.toml"):
        assert (tmp_path / name).stat().st_size > 0
    assert len((tmp_path / "scores.txt").read_text(encoding="utf-8").splitlines()) > 8
