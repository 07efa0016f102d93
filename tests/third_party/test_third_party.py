"""Plugins of strangers, one of each kind, in real packages: installed together into a clean environment, they all work.

They were written from the pages of the documentation alone. Beside them stand one that cannot be imported and one that offers
a name which is taken; these are told by name, and change nothing else.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import site
import subprocess
import sys
import venv
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

from moft import __version__
from moft.cli.app import main
from moft.hooks.plugin_manager import Plugins
from moft.hooks.registry import KINDS, SINGULAR

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PACKAGES = sorted(path.name for path in HERE.glob("moft-*"))
FAULTY = {"moft-broken", "moft-taken"}
SOUND = [name for name in PACKAGES if name not in FAULTY]
GENERATED = "moft-soft-hinge"
"""What `moft new plugin` writes; installed beside the others."""
LONGEST = 40
"""Lines that a plugin may have in all its modules, empty ones left out."""

BUILD = """
import os, sys
from setuptools import build_meta
target, *folders = sys.argv[1:]
for folder in folders:
    os.chdir(folder)
    build_meta.build_wheel(target)
"""
USED = """
import sys
import pytest
from moft.cli.app import main
from moft.run.report import html_page
from moft.run.report.figures import figure_style
figure_style.png = html_page.png = lambda figure: b""  # pictures take longer than the rest
options = ["-q", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", "."]
code = int(pytest.main([*options, *sys.argv[1:]]))
for words in (["config", "check", "all.yaml"], ["train", "all.yaml"], ["volumes", "runs/all"]):
    code = code or main(words)
sys.exit(code)
"""
CONFIG = """
task: {name: csv-lists, folder: tables, objectives: [first, second], features: [one, two]}
method: {name: one-weighting, weights: [1, 3], loss: {name: squared-hinge, margin: 0.5}}
trainer: {epochs: 2, device: cpu}
profile: {evaluator: {name: top-labels, k: 2}, grid: edges, points: 3, indicators: [width], bootstrap_samples: 100}
trackers: [{name: diary, file: our-diary.txt}]
"""
LISTED = """
import sys
from moft.cli.app import main
code = main(["plugins"])
print("code", code, "slow", *({"torch", "transformers", "numpy"} & set(sys.modules)))
"""


@dataclass(frozen=True)
class Environment:
    """A virtual environment with everything installed.

    Args:
        folder: with copies of the packages.
        python: its interpreter.
    """

    folder: Path
    python: Path

    def run(self, *words: object, **variables: str) -> subprocess.CompletedProcess[str]:
        """Runs its interpreter."""
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | variables
        command = [str(word) for word in (self.python, *words)]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, env=environment)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """A new environment, in which the packages are installed as pip installs them; what moft needs is taken from this one."""
    if find_spec("setuptools") is None:
        pytest.skip("building a wheel without a network needs setuptools")
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder / "env", with_pip=False, symlinks=True)
    python = folder / "env" / "bin" / "python"
    (packages,) = (folder / "env").glob("lib/python*/site-packages")
    ours = [path for path in site.getsitepackages() if (Path(path) / "pluggy").is_dir()]
    (packages / "moft-itself.pth").write_text("".join(f"import site; site.addsitedir({path!r})\n" for path in ours), "utf-8")
    assert main(["new", "plugin", GENERATED.removeprefix("moft-"), "--out", str(folder / GENERATED)]) == 0
    for name in PACKAGES:
        shutil.copytree(HERE / name, folder / name, ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
    wheels = folder / "wheels"
    wheels.mkdir()
    sources = [str(folder / name) for name in (*PACKAGES, GENERATED)]
    built = subprocess.run([sys.executable, "-c", BUILD, str(wheels), *sources], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-index", "--no-deps", "--no-compile"]
    done = subprocess.run([*command, *map(str, sorted(wheels.glob("*.whl")))], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return Environment(folder, python)


def write_tables(folder: Path) -> None:
    """Lists in CSV files, as the plugin `csv-lists` reads them."""
    folder.mkdir()
    for split in ("train", "validation", "test"):
        rows = [f"{number},{place},{number % 3},{place},{3 - place}" for number in range(8) for place in range(4)]
        (folder / f"{split}.csv").write_text("\n".join(["list,one,two,first,second", *rows]), encoding="utf-8")


@pytest.fixture(scope="module")
def listing(clean: Environment) -> list[str]:
    """What `moft plugins` prints there."""
    done = clean.run("-c", LISTED)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def kind_of(package: str) -> str:
    """The kind that a package offers, from the name of its hook."""
    (text,) = (path.read_text(encoding="utf-8") for path in (HERE / package).glob("src/*/plugin.py"))
    hooks = [node.name for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
    kind = hooks[0].removeprefix("moft_")
    return SINGULAR.get(kind, {"commands": "command"}.get(kind, "observer"))


def test_there_is_a_package_of_each_kind():
    assert sorted(map(kind_of, SOUND)) == sorted([*SINGULAR.values(), "command", "observer"])


@pytest.mark.parametrize("package", SOUND)
def test_a_plugin_is_short_and_imports_the_three_faces_only(package):
    texts = [path.read_text(encoding="utf-8") for path in (HERE / package).glob("src/*/*.py")]
    lines = [line for text in texts for line in text.splitlines() if line.strip()]
    assert len(lines) <= LONGEST
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in (HERE / package).rglob("*.py")]
    found = {node.module for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    found |= {alias.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert {name for name in found if re.match(r"moft(\.|$)", name)} <= {"moft", "moft.api", "moft.testing"}


@pytest.mark.slow
def test_every_sound_plugin_passes_its_own_tests_and_they_all_work_in_one_run(clean):
    folders = [str(clean.folder / name / "tests") for name in (*SOUND, GENERATED)]
    (clean.folder / "all.yaml").write_text(CONFIG, encoding="utf-8")
    write_tables(clean.folder / "tables")
    done = clean.run("-c", USED, *folders, OMP_NUM_THREADS="1", MOFT_CACHE=str(clean.folder / "cache"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(re.findall(r"(\d+) passed", done.stdout)[0]) >= len(SOUND)
    assert re.search(r"^all \d+\.\d+$", done.stdout, re.MULTILINE), "moft volumes tells the run's hypervolume"
    front = json.loads((clean.folder / "runs" / "all" / "front.json").read_text(encoding="utf-8"))
    assert (front["metric"].split(" (")[0], list(front["indicators"])) == ("mean label of the first 2 items", ["width"])
    diary = (clean.folder / "our-diary.txt").read_text(encoding="utf-8").splitlines()
    assert (diary[0], diary[-2:]) == ("all began", ["all 2 points", "all done"])
    assert (clean.folder / "runs" / "all" / "stopwatch.txt").read_text().startswith("policy ")


@pytest.mark.slow
def test_the_sound_ones_are_listed_with_their_package_beside_all_that_ships(listing, plugins: Plugins):
    rows = [line.split() for line in listing]
    for name, kind in {GENERATED: "loss", **{name: kind_of(name) for name in SOUND}}.items():
        if kind in SINGULAR.values():
            row = next(row for row in rows if row[:2] == [kind, name.removeprefix("moft-")])
            assert row[-3:] == [name.removeprefix("moft-").replace("-", "_"), name, "0.1.0"]
    shipped = [(SINGULAR[kind], offer.component.name) for kind in KINDS for offer in plugins.offers(kind)]
    assert [pair for pair in shipped if not any(tuple(row[:2]) == pair for row in rows)] == []
    assert listing[-1] == "code 0 slow"


@pytest.mark.slow
def test_the_faulty_ones_are_told_by_name_and_change_nothing_else(clean, listing):
    start = listing.index("Clashes:")
    title, clash, empty, other, broken, _ = listing[start:]
    assert (title, empty, other) == ("Clashes:", "", "Broken:")
    both = f"by plugin 'losses' (moft {__version__}) and by plugin 'taken' (moft-taken 0.1.0)"
    assert clash.strip().startswith(f"loss 'listnet' is offered 2 times: {both}.")
    reason = "cannot be imported (ModuleNotFoundError: No module named 'a_library_that_nobody_has')"
    assert broken.strip() == f"'broken' (moft-broken 0.1.0): {reason}."
    without = clean.run("-c", LISTED, MOFT_DISABLE_PLUGINS="taken,broken").stdout.splitlines()
    rows, fewer = ({tuple(line.split()) for line in lines if line} for lines in (listing[:start], without))
    assert [row[:2] + row[-3:] for row in rows - fewer] == [("loss", "listnet", "taken", "moft-taken", "0.1.0")]
