"""Every shipped config resolves and says how to run it; those under configs/smoke give the numbers beside them.

The line of one under configs/paper goes on, with `moft profile` of what it trained, and `moft compare`. A shell runs the line
with a `moft` that notes its words and makes the folders that moft would make; then all words are checked.
"""

from __future__ import annotations

import json
import math
import os
import re
import shlex
import subprocess
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
import typer

from moft.cli.app import application, main
from moft.config.yaml12 import load
from moft.hooks.plugin_manager import Plugins
from moft.run.policy.parse_weights import parse_dial
from moft.run.run_config import read_settings
from moft_ltr.data.example_data.synthetic import Synthetic, make_synthetic

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = sorted((ROOT / "configs").rglob("*.y*ml"))
SMOKE = [path for path in CONFIGS if path.parent.name == "smoke"]
PAPER = [path for path in CONFIGS if path.is_relative_to(ROOT / "configs" / "paper")]
WRITTEN = ("config.yaml", "versions.json", "steps.jsonl", "front.json", "front.csv", "front.png", "report.html")

named = pytest.mark.parametrize("config", CONFIGS, ids=lambda path: str(path.relative_to(ROOT / "configs")))
trained = pytest.mark.parametrize("config", SMOKE, ids=lambda path: path.stem)
reproducing = pytest.mark.parametrize("config", PAPER, ids=lambda path: f"{path.parent.name}-{path.stem}")

DATA = "path/to/Fold1"
NOTING = """#!/bin/sh
{ for word in "$MSLR" "$@"; do printf '%s\\037' "$word"; done; echo; } >> "$NOTED"
out= before=
for word; do
  [ "$before" = --out ] && out=$word
  before=$word
done
case $1 in
  train) mkdir -p "${out:-runs/$(basename "$2" .yaml)}" ;;
  sweep) xargs mkdir -p < "$PLANNED" ;;
  profile) [ -d "$2" ] && mkdir -p "${out:-$2/profiles/$(echo "$*" | cksum)}" ;;
esac
"""
SHORTER = [
    *("--set", "trainer.epochs=1"),
    *("--set", "task.base.epochs=1"),
    *("--set", "trainer.evaluations=1"),
    *("--set", "trainer.threads=1"),
    *("--set", "profile.bootstrap_samples=100"),
]


@named
def test_a_config_says_what_it_shows_and_how_to_run_it(config: Path) -> None:
    name = config.relative_to(ROOT)
    told = list(takewhile(lambda line: line.startswith("#"), config.read_text(encoding="utf-8").splitlines()))
    assert len(told) >= 2, f"{name} must begin with comments: what it shows, then '# Run it:  ...'"
    assert not re.match(r"# (Data|Run it):", told[0]), f"{name}: the first line says what the config shows"
    run = commands(config)[-1:]
    assert run, f"{name}: no line '# Run it:  ...' before the settings"
    if config in PAPER:
        assert run_line(config).count(name.as_posix()) == 1, f"{name}: its line '# Run it:' must name it once"
        return
    assert run[0].endswith(f"moft train {name.as_posix()}"), (
        f"{name}: its line '# Run it:' must end in 'moft train {name.as_posix()}'"
    )


@named
def test_a_config_resolves(config: Path, plugins: Plugins, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in variables([config]):
        monkeypatch.setenv(variable, "somewhere")
    read_settings(config, (), plugins).make()


@trained
def test_a_smoke_config_gives_the_numbers_beside_it(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    monkeypatch.chdir(tmp_path)
    for command in commands(config):
        words = shlex.split(command)
        while "=" in words[0]:
            variable, _, value = words.pop(0).partition("=")
            monkeypatch.setenv(variable, value)
        assert words[0] == "moft"
        assert main(words[1:]) == 0, f"{config.name}: its comment says {command!r}, which fails"
    run = tmp_path / "runs" / config.stem
    assert [name for name in WRITTEN if not (run / name).exists()] == []
    found = json.loads((run / "front.json").read_text(encoding="utf-8"))
    expected = json.loads(expected_of(config).read_text(encoding="utf-8"))
    assert expected, f"{expected_of(config).name} expects nothing"
    for path, entry in expected.items():
        value, within, seen = entry["value"], entry["within"], at(found, path)
        assert math.isclose(seen, value, rel_tol=0, abs_tol=within), (
            f"{config.name}: {path} is {seen}, expected {value} +- {within}"
        )


@reproducing
def test_the_line_of_a_paper_config_trains_it_and_compares_what_it_made(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], plugins: Plugins
) -> None:
    name = config.relative_to(ROOT).as_posix()
    calls, planned = noted(config, tmp_path, monkeypatch, capsys)
    kinds = [words[0] for _, words in calls]
    assert kinds[-1] == "compare"
    assert kinds.count("compare") == 1
    assert set(kinds) <= {"train", "sweep", "profile", "compare"}
    names = list(objectives_of(config))
    known = typer.main.get_command(application(plugins))
    seen: set[Path] = set()
    for data, words in calls:
        command = known.commands[words[0]]  # type: ignore[attr-defined]
        given = command.make_context(words[0], list(words[1:])).params
        if words[0] in ("train", "sweep"):
            assert (words[1], data) == (name, DATA)
        elif words[0] == "profile":
            (dial,) = given["dial"]
            assert len(parse_dial(dial, names)) == len(names)
            seen.add(Path(given["run"]))
        else:
            runs = [Path(run) for run in given["runs"]]
            assert len(set(runs)) == len(runs) >= 2
            assert given["out"] == Path("comparisons") / config.stem
            assert [str(run) for run in runs if not (tmp_path / run).is_dir()] == []
            seen |= set(runs)
    made = planned | {Path(given) for _, words in calls if words[0] == "train" for given in [out_of(words, config)]}
    assert made <= seen, f"neither compared nor profiled: {sorted(map(str, made - seen))}"


@reproducing
def test_the_labels_of_a_paper_config_are_columns_of_mslr_and_none_is_an_input(config: Path) -> None:
    assert variables([config]) == ["MSLR"]
    columns = {"query-url-clicks": 134, "url-clicks": 135, "dwell-time": 136, "quality-score": 132, "quality-score-2": 133}
    found = {objective: label["column"] for objective, label in objectives_of(config).items()}
    assert found == {objective: columns[objective] for objective in found}
    excluded = load(config.read_text(encoding="utf-8"))["task"].get("exclude", [])
    assert sorted([*found.values(), *excluded]) == sorted(columns.values())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["figure3"])
def test_the_line_of_a_paper_config_runs(
    name: str, warm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = next(config for config in PAPER if config.stem == name)
    calls, _ = noted(config, tmp_path, monkeypatch, capsys)
    place = tmp_path / "real"
    make_synthetic(place / DATA, Synthetic(lists=12, items=8, features=131, objectives=5))
    (place / "configs").symlink_to(ROOT / "configs")
    monkeypatch.chdir(place)
    for _, called in calls:
        words = called
        more = SHORTER if words[0] in ("train", "sweep") else []
        if words[0] == "compare":  # profiles have names of their own here
            words = [word for word in words if "/profiles/" not in word]
            more = sorted(map(str, Path("runs").glob("*/*/profiles/*")))
            assert more
        assert main([*words, *more]) == 0, capsys.readouterr().err
    assert (place / "comparisons" / name / "comparison.png").exists()


def test_every_smoke_config_has_expected_numbers_and_the_other_way_round() -> None:
    assert sorted(map(expected_of, SMOKE)) == sorted((ROOT / "configs" / "smoke").glob("*.json"))


def test_every_method_has_a_smoke_config(plugins: Plugins, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in variables(SMOKE):
        monkeypatch.setenv(variable, "somewhere")
    shown = {read_settings(path, (), plugins).plain["method"]["name"] for path in SMOKE}
    assert {offer.component.name for offer in plugins.offers("methods")} <= shown, "a method without a config in configs/smoke"


def noted(
    config: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[list[tuple[str, list[str]]], set[Path]]:
    """Every call of moft in a config's line, with the data it is given; and the runs that its sweep plans.

    Each `moft train` and `moft sweep` is run with `--plan`, which checks all its settings.
    """
    monkeypatch.setenv("MSLR", DATA)
    (folder / "plans" / "runs").mkdir(parents=True)
    for place in (folder, folder / "plans"):
        (place / "configs").symlink_to(ROOT / "configs")
    monkeypatch.chdir(folder / "plans")
    write_queries(folder / "plans" / DATA)
    runs: set[Path] = set()
    first = shlex.split(run_line(config).partition("&&")[0])
    if "sweep" in first:
        assert main([*first[first.index("sweep") :], "--plan"]) == 0, capsys.readouterr().err
        runs = {Path(run) for run in re.findall(r"^to do\s+(\S.*)$", capsys.readouterr().out, re.MULTILINE)}
        assert runs
    (folder / "planned").write_text("".join(f"{shlex.quote(str(run))}\n" for run in runs), encoding="utf-8")
    done = in_shell(run_line(config), folder, NOTING, NOTED=str(folder / "noted"), PLANNED=str(folder / "planned"))
    assert done.returncode == 0, done.stderr
    lines = (folder / "noted").read_text(encoding="utf-8").splitlines()
    calls = [(data, words) for data, *words in (line.split("\037")[:-1] for line in lines)]
    for _, words in calls:
        if words[0] == "train":
            assert main([*words, "--plan"]) == 0, capsys.readouterr().err
    return calls, runs


def write_queries(folder: Path) -> None:
    """Three splits of ten queries, with as many columns as MSLR-WEB has; every column differs within a query."""
    folder.mkdir(parents=True)
    for split in ("train", "vali", "test"):
        rows = []
        for item in range(40):
            columns = " ".join(f"{column}:{(item * column + item // 3) % 7 + 1}" for column in range(1, 137))
            rows.append(f"{item % 5} qid:{item // 4 + 1} {columns}\n")
        (folder / f"{split}.txt").write_text("".join(rows), encoding="utf-8")


def in_shell(line: str, folder: Path, moft: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs a line in a folder, with a script in place of `moft`."""
    program = folder / "bin" / "moft"
    program.parent.mkdir()
    program.write_text(moft, encoding="utf-8")
    program.chmod(0o755)
    if not (folder / "configs").exists():
        (folder / "configs").symlink_to(ROOT / "configs")
    environment = os.environ | variables | {"PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}", "MSLR": ""}
    return subprocess.run(["sh", "-c", line], cwd=folder, env=environment, capture_output=True, text=True)


def out_of(words: list[str], config: Path) -> str:
    """The run folder of `moft train`."""
    return words[words.index("--out") + 1] if "--out" in words else f"runs/{config.stem}"


def objectives_of(config: Path) -> dict[str, Any]:
    """The objectives of a config, as it gives them."""
    found: dict[str, Any] = load(config.read_text(encoding="utf-8"))["task"]["objectives"]
    return found


def run_line(config: Path) -> str:
    """What stands behind `# Run it:`, whole."""
    found = re.search(r"^# Run it:\s+(.+)$", config.read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else ""


def commands(config: Path) -> list[str]:
    """What its comments say to type: the line `# Data:` if there is one, then the line `# Run it:`, cut at `&&`."""
    text = config.read_text(encoding="utf-8")
    lines = [match[1] for word in ("Data", "Run it") if (match := re.search(rf"^# {word}:\s+(.+)$", text, re.MULTILINE))]
    return [command.strip() for line in lines for command in line.split("&&")]


def variables(configs: list[Path]) -> list[str]:
    """The environment variables that configs read."""
    return [name for config in configs for name in re.findall(r"\$\{(\w+)\}", config.read_text(encoding="utf-8"))]


def expected_of(config: Path) -> Path:
    """The file with the numbers that a smoke config gives."""
    return config.with_suffix(".expected.json")


def at(record: Any, path: str) -> float:
    """The number at a dotted path; a list is entered by position."""
    for key in path.split("."):
        record = record[int(key)] if isinstance(record, list) else record[key]
    return float(record)


@pytest.mark.parametrize(("name", "network"), [("mslr-sample-trees", "mslr-sample"), ("mslr-trees", "mslr")])
def test_a_config_with_trees_has_the_objectives_of_the_network_and_one_loss_for_all(name: str, network: str) -> None:
    trees, other = (objectives_of(ROOT / "configs" / "ltr" / f"{config}.yaml") for config in (name, network))
    assert trees == {objective: {key: value for key, value in own.items() if key != "loss"} for objective, own in other.items()}
    method = load((ROOT / "configs" / "ltr" / f"{name}.yaml").read_text(encoding="utf-8"))["method"]
    assert (method if isinstance(method, str) else method["name"]) == "cos-dpo-trees"


def test_the_demo_compares_trees_and_a_network_over_the_same_base_ranker() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipe = text[text.index("\ndemo:") : text.index("\ndemo-llm:")].replace("\\\n", " ")
    base = load((ROOT / "configs" / "ltr" / "mslr-sample-trees.yaml").read_text(encoding="utf-8"))["task"]["base"]
    given = re.search(r"task\.base=([^\"]+)", recipe)
    assert given is not None
    assert load(given[1]) == base
    assert re.findall(r"moft train (\S+)", recipe) == [
        "configs/ltr/mslr-sample-trees.yaml",
        "configs/ltr/mslr-sample.yaml",
    ]
    assert "moft compare" in recipe


def test_all_commands_of_the_demo_write_into_one_folder(tmp_path: Path) -> None:
    """Also where the second changes between two of them: here, each call of `date` gives another time."""
    (tmp_path / "date").write_text(
        f"#!/bin/sh\necho x >> {tmp_path}/calls\nwc -l < {tmp_path}/calls | tr -d ' '\n", encoding="utf-8"
    )
    (tmp_path / "date").chmod(0o755)
    words = ["make", "-n", "-o", ".venv/.installed-base", "demo"]
    kept = {name: value for name, value in os.environ.items() if name not in ("RUN", "MAKEFLAGS", "MAKELEVEL")}
    path = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    said = subprocess.run(words, cwd=ROOT, env=kept | path, capture_output=True, text=True, check=True).stdout
    assert len(set(re.findall(r"runs/demo-\w+", said))) == 1
