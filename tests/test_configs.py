"""Every shipped config resolves and says how to run it; those under configs/smoke give the numbers beside them."""

from __future__ import annotations

import json
import math
import re
import shlex
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

from moft.cli.app import main
from moft.hooks.manager import Plugins
from moft.run import pipeline

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = sorted((ROOT / "configs").rglob("*.y*ml"))
SMOKE = [path for path in CONFIGS if path.parent.name == "smoke"]
WRITTEN = ("config.yaml", "versions.json", "steps.jsonl", "front.json", "front.csv", "front.png", "report.html")

named = pytest.mark.parametrize("config", CONFIGS, ids=lambda path: str(path.relative_to(ROOT / "configs")))
trained = pytest.mark.parametrize("config", SMOKE, ids=lambda path: path.stem)


@named
def test_a_config_says_what_it_shows_and_how_to_run_it(config: Path) -> None:
    name = config.relative_to(ROOT)
    told = list(takewhile(lambda line: line.startswith("#"), config.read_text(encoding="utf-8").splitlines()))
    assert len(told) >= 2, f"{name} must begin with comments: what it shows, then '# Run it:  ...'"
    assert not re.match(r"# (Data|Run it):", told[0]), f"{name}: the first line says what the config shows"
    run = commands(config)[-1:]
    assert run, f"{name}: no line '# Run it:  ...' before the settings"
    assert run[0].endswith(f"moft train {name.as_posix()}"), (
        f"{name}: its line '# Run it:' must end in 'moft train {name.as_posix()}'"
    )


@named
def test_a_config_resolves(config: Path, plugins: Plugins, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in variables([config]):
        monkeypatch.setenv(variable, "somewhere")
    pipeline.read_settings(config, (), plugins).make()


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


def test_every_smoke_config_has_expected_numbers_and_the_other_way_round() -> None:
    assert sorted(map(expected_of, SMOKE)) == sorted((ROOT / "configs" / "smoke").glob("*.json"))


def test_every_method_has_a_smoke_config(plugins: Plugins, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in variables(SMOKE):
        monkeypatch.setenv(variable, "somewhere")
    shown = {pipeline.read_settings(path, (), plugins).plain["method"]["name"] for path in SMOKE}
    assert {offer.component.name for offer in plugins.offers("methods")} <= shown, "a method without a config in configs/smoke"


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
