"""Every shipped config resolves and says how to run it; those under configs/smoke give the numbers beside them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

from moft.cli.app import main
from moft.hooks.manager import Plugins
from moft.run import pipeline
from moft_ltr.synthetic import Synthetic, make_synthetic

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = sorted((ROOT / "configs").rglob("*.y*ml"))
SMOKE = [path for path in CONFIGS if path.parent.name == "smoke"]
WRITTEN = ("config.yaml", "versions.json", "steps.jsonl", "front.json", "front.csv", "front.png", "report.html")

named = pytest.mark.parametrize("config", CONFIGS, ids=lambda path: str(path.relative_to(ROOT / "configs")))
trained = pytest.mark.parametrize("config", SMOKE, ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def smoke_data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Lists whose front is known, where the smoke configs look for them."""
    folder = tmp_path_factory.mktemp("smoke") / "data"
    make_synthetic(folder, Synthetic(lists=120, items=12, features=8, objectives=2, conflict=0.7))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOFT_SMOKE", str(folder))
        yield


@named
def test_a_config_says_what_it_shows_and_how_to_run_it(config: Path) -> None:
    name = config.relative_to(ROOT)
    lines = config.read_text(encoding="utf-8").splitlines()
    told = list(takewhile(lambda line: line.startswith("#"), lines))
    assert len(told) >= 2, f"{name} must begin with comments: what it shows, then '# Run it:  ...'"
    assert not told[0].startswith("# Run it:"), f"{name}: the first line says what the config shows"
    run = [line for line in told if line.startswith("# Run it:")]
    assert run, f"{name}: no line '# Run it:  ...' before the settings"
    assert f"moft train {name.as_posix()}" in run[0], f"{name}: its line '# Run it:' runs another config"


@named
def test_a_config_resolves(config: Path, plugins: Plugins, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in re.findall(r"\$\{(\w+)\}", config.read_text(encoding="utf-8")):
        monkeypatch.setenv(variable, "somewhere")
    pipeline.read_settings(config, (), plugins).make()


@trained
@pytest.mark.usefixtures("smoke_data")
def test_a_smoke_config_gives_the_numbers_beside_it(config: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert main(["train", str(config), "--out", str(run)]) == 0
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
    monkeypatch.setenv("MOFT_SMOKE", "somewhere")
    shown = {pipeline.read_settings(path, (), plugins).plain["method"]["name"] for path in SMOKE}
    assert {offer.component.name for offer in plugins.offers("methods")} <= shown, "a method without a config in configs/smoke"


def expected_of(config: Path) -> Path:
    """The file with the numbers that a smoke config gives."""
    return config.with_suffix(".expected.json")


def at(record: Any, path: str) -> float:
    """The number at a dotted path; a list is entered by position."""
    for key in path.split("."):
        record = record[int(key)] if isinstance(record, list) else record[key]
    return float(record)
