"""`moft new plugin`: a package of each kind that works as it is."""

from __future__ import annotations

import importlib
import re
import sys
import tomllib
from pathlib import Path

import pytest

from moft.cli.commands.new import WORDS, _files
from moft.hooks.plugin_manager import Plugins
from moft.testing import check_plugin


@pytest.fixture
def package(tmp_path, monkeypatch, moft):
    """Makes a package and puts its modules in reach, as an installation would."""
    monkeypatch.chdir(tmp_path)
    known = set(sys.modules)

    def make(name: str, kind: str) -> Path:
        said = moft("new", "plugin", name, "--kind", kind)
        assert (said.code, said.mistakes) == (0, [])
        monkeypatch.syspath_prepend(str(tmp_path / f"moft-{name}" / "src"))
        return tmp_path / f"moft-{name}"

    yield make
    for name in set(sys.modules) - known:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def passed(folder: Path, tmp_path: Path) -> int:
    """Runs the tests of a package as pytest would, in this process; how many there were."""
    (path,) = (folder / "tests").glob("test_*.py")
    spec = importlib.util.spec_from_file_location(f"of_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    fixtures = {"tmp_path": lambda: tmp_path / "files"}
    (tmp_path / "files").mkdir()
    if hasattr(module, "task"):
        made = module.task.__wrapped__(tmp_path / "files")
        fixtures["task"] = lambda: made
    run = [value for name, value in vars(module).items() if name.startswith("test_")]
    for test in run:
        arguments = test.__code__.co_varnames[: test.__code__.co_argcount]
        test(**{name: fixtures[name]() for name in arguments})
    return len(run)


@pytest.mark.parametrize("kind", WORDS)
def test_a_package_passes_its_own_tests_and_offers_what_it_is_called(kind, package, tmp_path):
    folder = package("my-own", kind)
    assert passed(folder, tmp_path) >= 2
    plugins = Plugins()
    plugins.register(importlib.import_module("moft_my_own.plugin"), "my_own")
    if kind not in ("command", "observer"):
        kinds = {"loss": "losses"}.get(kind, f"{kind}s")
        offer = plugins.offer(kinds, "my-own")
        assert (offer.load().__name__, offer.load().__module__) == ("MyOwn", f"moft_my_own.{kind}")
    else:
        hook = {"command": "moft_commands", "observer": "moft_step_ended"}[kind]
        assert len(plugins.implementations(hook)) == 1


@pytest.mark.parametrize("kind", WORDS)
def test_a_package_is_short_and_keeps_to_the_three_faces(kind, package):
    folder = package("my-own", kind)
    for path in folder.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert len([line for line in text.splitlines() if line.strip()]) <= 40
        assert set(re.findall(r"^from (moft[\w.]*)", text, re.MULTILINE)) - {"moft_my_own", f"moft_my_own.{kind}"} <= {
            "moft",
            "moft.api",
            "moft.testing",
        }
        assert "{" + "{" not in text


def test_the_entry_point_names_the_module_with_the_hooks(package):
    folder = package("my-own", "loss")
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (project["name"], project["entry-points"]["moft"]) == ("moft-my-own", {"my_own": "moft_my_own.plugin"})
    check_plugin(importlib.import_module(project["entry-points"]["moft"]["my_own"]))
    assert "moft plugins loss my-own" in (folder / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("loss", "with a loss called `my-own`"),
        ("loss", "The arguments after the `*` of its `__init__` are its settings."),
        (
            "conditioner",
            "It has no settings. To add one, put it after a `*`, as in\n`def __init__(self, spec, *, share: float = 0.5)`",
        ),
        ("indicator", "with an indicator called `my-own`"),
        ("indicator", "`def __init__(self, *, share: float = 0.5)`"),
    ],
)
def test_the_readme_speaks_of_a_star_where_there_is_one_and_of_how_to_have_one_elsewhere(kind, said):
    assert said in _files("my-own", kind)["README.md"]


def test_what_to_do_next_is_told(moft, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = moft("new", "plugin", "moft-soft", "--kind", "losses", "--out", "here")
    assert said.out.splitlines() == [
        "Wrote here. Next:",
        "  pip install -e 'here[test]'",
        "  pytest here",
        "  moft plugins loss soft",
    ]
    assert (tmp_path / "here" / "src" / "moft_soft" / "loss.py").is_file()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["My_Loss"], "plugin name 'My_Loss': must consist of lower-case letters, digits and single dashes, begin with a letter"),
        (["two--dashes"], "plugin name 'two--dashes': must consist of lower-case letters"),
        (["lambda"], "plugin name 'lambda': must consist of .* not be a Python keyword"),
        (
            ["soft", "--kind", "los"],
            r"--kind 'los': unknown kind of plugin. Did you mean 'loss'\? Kinds: task, .*, observer, command",
        ),
        (["listnet"], r"plugin name 'listnet': plugin 'losses' \(moft .*\) already offers a loss of this name"),
        (["cos-dpo", "--kind", "scorer"], r"plugin name 'cos-dpo': plugin 'cos_dpo' \(moft .*\) already exists"),
        (["train", "--kind", "command"], "plugin name 'train': 'moft train' already exists"),
        (["soft", "--out", "taken"], "taken: already exists; choose another --out or remove it"),
    ],
)
def test_what_cannot_be_made_is_told_in_one_line_and_nothing_is_written(words, told, moft, match, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken" / "mine").mkdir(parents=True)
    said = moft("new", "plugin", *words)
    assert (said.code, len(said.mistakes)) == (2, 1)
    assert match(told, said.mistakes[0])
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
