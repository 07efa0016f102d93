"""Old names are refused with the new one, wherever a user can give them, and every new name exists."""

from __future__ import annotations

import importlib
import inspect
import json
import re
from pathlib import Path
from typing import Any

import pytest
import typer

import moft.api
from moft.cli.app import application
from moft.errors import ConfigError, DataError, PluginError
from moft.hooks.plugin_manager import Plugins
from moft.renames import RENAMES, Rename, missing_name, new_name, rename_hint
from moft.run.policy.open_run import OpenedRun
from moft.run.run_config import read_settings
from moft.suggestions import one_line
from moft_llm.generation.prompts.prompt_requests import read_requests

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "renames.md"
CONFIGS = {
    "ltr": """
task: {name: ltr, data: lists, objectives: {first: {column: 9}, second: {column: 10}}}
profile: {evaluator: ndcg}
""",
    "llm": """
task: {name: llm, model: model, data: {name: lists, path: lists.jsonl}, objectives: {first: {}, second: {}}}
profile: {evaluator: preference}
""",
}
VALUES = {
    "task.objectives.*.beta": "2",
    "method.betas": "dirichlet",
    "profile.bootstrap_samples": "100",
    "trainer.max_grad_norm": "2",
    "trainer.gradient_accumulation_steps": "2",
    "trainer.models_at_once": "2",
}


def of_kind(*kinds: str) -> list[Any]:
    return [pytest.param(rename, id=rename.old) for rename in RENAMES if rename.kind in kinds]


def overridden(path: str, value: str) -> str:
    return f"{path.replace('*', 'first')}={value}"


@pytest.fixture(params=sorted(CONFIGS))
def config(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIGS[request.param], encoding="utf-8")
    return path


# Settings


@pytest.mark.parametrize("rename", of_kind("setting"))
def test_an_old_setting_is_refused_and_the_new_one_works(rename: Rename, config: Path, plugins: Plugins) -> None:
    value = VALUES[rename.new]
    with pytest.raises(ConfigError) as caught:
        read_settings(config, [overridden(rename.old, value)], plugins)
    assert str(caught.value) == f"{rename.old.replace('*', 'first')}: is now called '{rename.short}'."
    read_settings(config, [overridden(rename.new, value)], plugins)


def test_config_check_names_the_line_of_each_old_setting(moft, tmp_path: Path) -> None:
    path = tmp_path / "old.yaml"
    text = CONFIGS["ltr"].replace("{column: 9}", "{column: 9, temperature: 2}").replace("ndcg}", "ndcg, samples: 50}")
    path.write_text(text + "trainer:\n  epochs: 1\n  clip: 1\n", encoding="utf-8")
    assert moft("config", "check", path).mistakes == [
        f"moft: error: {path}:2: task.objectives.first.temperature: is now called 'beta'.",
        f"moft: error: {path}:3: profile.samples: is now called 'bootstrap_samples'.",
        f"moft: error: {path}:6: trainer.clip: is now called 'max_grad_norm'.",
    ]


@pytest.mark.parametrize(
    "words",
    [
        ("train", "--set", "trainer.clip=1"),
        ("sweep", "--over", "trainer.clip=1,2"),
        ("train", "--plan", "--set", "trainer.clip=1"),
    ],
)
def test_overrides_with_an_old_setting_are_refused(words: tuple[str, ...], moft, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIGS["ltr"], encoding="utf-8")
    said = moft(words[0], path, *words[1:], "--out", tmp_path / "out")
    assert said.code == 2
    assert said.mistakes[0].endswith("trainer.clip: is now called 'max_grad_norm'.")
    assert not (tmp_path / "out").exists()


def test_a_setting_of_that_name_stays_a_mistake_where_there_is_no_new_one(tmp_path: Path, plugins: Plugins) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIGS["ltr"], encoding="utf-8")
    with pytest.raises(ConfigError, match=r"method.temperatures: unknown setting"):
        read_settings(path, ["method={name: dpo-ls, temperatures: dirichlet}"], plugins)


# The command line


@pytest.mark.parametrize("rename", of_kind("option"))
def test_an_old_option_is_refused_and_the_new_one_exists(rename: Rename, moft, plugins: Plugins) -> None:
    command, _, old = rename.old.rpartition(" ")
    said = moft(*command.split()[1:], "run", old, "2")
    assert said.code == 2
    assert said.mistakes == [f"moft: error: {old} is now {new_name('option', rename.old)}. Try '{command} --help'."]
    assert rename.short in said.mistakes[0]
    group = typer.main.get_command(application(plugins))
    options = {option for parameter in group.commands[command.split()[1]].params for option in parameter.opts}  # type: ignore[attr-defined]
    assert rename.new == f"{command} {rename.short}"
    assert rename.short in options


def test_an_old_option_with_two_new_ones_names_both(moft) -> None:
    said = moft("generate", "run", "a", "--temperature", "0.7")
    assert said.mistakes == ["moft: error: --temperature is now --dial or --sampling-temperature. Try 'moft generate --help'."]


def test_an_option_that_never_was_is_told_as_before(moft) -> None:
    said = moft("score", "run", "--temprature", "2")
    assert said.mistakes == ["moft: error: No such option: --temprature. Try 'moft score --help'."]


# Files of prompts


@pytest.mark.parametrize("rename", of_kind("prompt key"))
def test_an_old_key_of_a_prompt_file_is_refused_and_the_new_one_is_read(rename: Rename, tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text(json.dumps({"prompt": "a", "weights": [1, 0], rename.old: 2}), encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_requests(path, None, "1")
    assert str(caught.value).startswith(f"{path}:1: '{rename.old}' is now called '{rename.new}'; a line is ")
    path.write_text(json.dumps({"prompt": "a", "weights": [1, 0], rename.new: 2}), encoding="utf-8")
    assert getattr(read_requests(path, None, "1")[0], rename.new) == 2


# Plugins


@pytest.mark.parametrize("rename", of_kind("plugin"))
def test_a_shipped_plugin_cannot_be_disabled_by_its_old_name(rename: Rename, plugins: Plugins) -> None:
    with pytest.raises(PluginError, match=f"cannot disable plugin '{rename.old}': it is now called '{rename.new}'."):
        Plugins().load(disable=[rename.old])
    assert rename.new in {origin.plugin for origin in plugins.registered()}


@pytest.mark.parametrize("rename", of_kind("name"))
def test_an_old_name_cannot_be_imported_and_the_new_one_can(rename: Rename, tmp_path: Path) -> None:
    module, _, old = rename.old.rpartition(".")
    asked = importlib.import_module(module)
    assert not hasattr(asked, old)
    with pytest.raises(AttributeError) as caught:
        getattr(asked, old)
    assert str(caught.value) == f"{rename.old} is now {rename.short}"
    (tmp_path / "mine.py").write_text(f"from {module} import {old}\n", encoding="utf-8")
    with pytest.raises(PluginError, match=rf"\(ImportError: {rename.old} is now {rename.short}\)\."):
        Plugins().register_file(tmp_path / "mine.py")
    assert rename.new == f"{module}.{rename.short}"
    assert rename.short in importlib.import_module(module).__all__


def test_a_from_import_of_an_old_name_gives_the_new_one() -> None:
    with pytest.raises(ImportError, match=r"^moft.api.PlainModels is now DedicatedModels$"):
        from moft.api import PlainModels  # type: ignore[attr-defined] # noqa: F401


def test_a_name_that_never_was_is_an_ordinary_error() -> None:
    assert not hasattr(moft.api, "NoSuchName")
    with pytest.raises(ImportError, match=r"cannot import name 'NoSuchName' from 'moft.api'"):
        from moft.api import NoSuchName  # type: ignore[attr-defined] # noqa: F401
    assert isinstance(missing_name("moft.api", "NoSuchName"), AttributeError)


def test_a_plugin_that_imports_an_old_name_is_told_the_new_one(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("from moft.api import PlainModels\n", encoding="utf-8")
    with pytest.raises(PluginError, match=r"cannot be imported \(ImportError: moft.api.PlainModels is now DedicatedModels\)\."):
        Plugins().register_file(file)


def test_a_component_that_imports_an_old_name_is_told_the_new_one(tmp_path: Path, moft, monkeypatch) -> None:
    (tmp_path / "old_loss.py").write_text("from moft.api import Several\n", encoding="utf-8")
    hook = 'from moft import Component, hookimpl\n\n@hookimpl\ndef moft_losses():\n    yield Component("old", "old_loss:Loss")\n'
    (tmp_path / "mine.py").write_text(hook, encoding="utf-8")
    path = tmp_path / "config.yaml"
    path.write_text(
        f"plugins: [{tmp_path / 'mine.py'}]\nmethod: {{name: cos-dpo, loss: old}}\n{CONFIGS['ltr']}", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    said = moft("config", "check", "--trust", path)
    assert "cannot import 'old_loss:Loss' (ImportError: moft.api.Several is now FromList)" in said.mistakes[0]


def test_an_installed_plugin_that_imports_an_old_name_is_listed_with_the_new_one(tmp_path: Path, moft, monkeypatch) -> None:
    folder = tmp_path / "moft_old-0.1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: moft-old\nVersion: 0.1.0\n", encoding="utf-8")
    (folder / "entry_points.txt").write_text("[moft]\nold = moft_old_plugin\n", encoding="utf-8")
    (tmp_path / "moft_old_plugin.py").write_text("from moft.api import whole_folder\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    said = moft("plugins", "losses")
    assert "'old' (moft-old 0.1.0): cannot be imported (ImportError: moft.api.whole_folder is now atomic_folder)." in said.out


# Attributes and arguments


def owner_of(name: str) -> Any:
    return OpenedRun if name == "OpenedRun" else getattr(moft.api, name)


@pytest.mark.parametrize("rename", of_kind("attribute"))
def test_the_error_of_an_old_attribute_gives_the_new_one(rename: Rename) -> None:
    name, _, old = rename.old.partition(".")
    owner = owner_of(name)
    known = {*dir(owner), *inspect.get_annotations(owner)}
    assert rename.new == f"{name}.{rename.short}"
    assert rename.short in known
    assert old not in known
    mine = type("Mine", (owner,), {})
    mine.__abstractmethods__ = frozenset()  # so that there can be an instance of any of them
    error = AttributeError("gone", name=old, obj=object.__new__(mine))
    assert rename_hint(error) == f"; {rename.old} is now {rename.short}"


def test_a_script_is_told_the_new_attribute_of_an_opened_run_once() -> None:
    run = object.__new__(OpenedRun)
    with pytest.raises(
        AttributeError, match=r"^'OpenedRun' object has no attribute 'trained_at'; .* is now trained_betas$"
    ) as caught:
        run.trained_at  # type: ignore[attr-defined] # noqa: B018
    assert one_line(caught.value).count("trained_betas") == 1
    with pytest.raises(AttributeError, match=r"^'OpenedRun' object has no attribute 'nothing'$"):
        run.nothing  # type: ignore[attr-defined] # noqa: B018


def test_an_error_inside_a_property_of_an_opened_run_is_not_hidden() -> None:
    run = object.__new__(OpenedRun)
    object.__setattr__(run, "task", None)
    with pytest.raises(AttributeError, match=r"^'NoneType' object has no attribute 'objectives'$"):
        _ = run.trained_betas


@pytest.mark.parametrize("rename", of_kind("argument"))
def test_the_error_of_an_old_argument_gives_the_new_one(rename: Rename) -> None:
    found = re.fullmatch(r"([\w.]+)\((\w+)=\)", rename.old)
    assert found is not None
    name, _, method = found[1].partition(".")
    call = getattr(owner_of(name), method) if method else owner_of(name)
    assert rename.short in inspect.signature(call).parameters
    with pytest.raises(TypeError) as caught:
        call(**{found[2]: 1})
    assert one_line(caught.value).endswith(f"; the argument '{found[2]}' is now '{rename.short}'")


def test_other_errors_have_no_hint() -> None:
    for error in (ValueError("x"), TypeError("x"), TypeError("f() got an unexpected keyword argument 'x'"), AttributeError("x")):
        assert rename_hint(error) == ""
    assert rename_hint(AttributeError("x", name="temperatures", obj=3)) == ""


# The table


def row_of(rename: Rename) -> str:
    command, _, old = rename.old.rpartition(" ")
    cells = (command, old, rename.short) if rename.kind == "option" else (rename.old, rename.new)
    return "| " + " | ".join(f"`{cell}`" for cell in cells) + " |"


def test_every_rename_has_a_row_on_its_page_and_no_other_has() -> None:
    rows = re.findall(r"^\| `.*$", PAGE.read_text(encoding="utf-8"), flags=re.M)
    assert rows == list(map(row_of, RENAMES))


def test_no_rename_is_there_twice_and_settings_stay_where_they_were() -> None:
    assert len(set(RENAMES)) == len(RENAMES)
    for rename in (rename for rename in RENAMES if rename.kind == "setting"):
        assert rename.old.rpartition(".")[0] == rename.new.rpartition(".")[0]
    assert set(VALUES) == {rename.new for rename in RENAMES if rename.kind == "setting"}


def test_any_name_matches_a_star_and_nothing_matches_more_than_one_part() -> None:
    assert new_name("setting", "task.objectives.dwell-time.temperature") == "beta"
    assert new_name("setting", "task.objectives.a.b.temperature") == "beta"  # an objective called a.b
    assert new_name("option", "moft score --dial") == ""
