"""`moft config`: all mistakes of config files at once, and a schema that the shipped ones fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from moft.cli.app import main
from moft.config.yaml12 import load
from moft_ltr.data.example_data.synthetic import Synthetic, make_synthetic

ROOT = Path(__file__).resolve().parents[4]
CONFIGS = sorted((ROOT / "configs").rglob("*.yaml"))

GOOD = """\
task:
  name: ltr
  data: lists
  objectives:
    first: {column: 9}
method:
  name: cos-dpo
  conditioner: {width: 8}
profile: {evaluator: ndcg}
"""
BAD = """\
plugins: [./gone.py, ./mine.py]
task:
  name: ltr
  data: ${NO_SUCH_VARIABLE}
  objectives:
    first: {column: 9, beta: -1}
    second: {colum: 10}
  heads: 0
method:
  name: cos-dpo
  loss: mine
  sampler: {name: dirichlet, alpha: -1}
trainer:
  epoch: 40
profile:
  evaluator: ndcg
"""
MINE = """
from moft import Component, hookimpl

@hookimpl
def moft_losses():
    yield Component("mine", "a_library_that_nobody_has:Loss", "is not there")
"""


@pytest.fixture(autouse=True)
def lists(tmp_path, monkeypatch):
    """The data of `GOOD`, in the folder that a test runs in."""
    monkeypatch.chdir(tmp_path)
    make_synthetic(tmp_path / "lists", Synthetic(lists=8, items=4, features=8))


def test_a_config_without_a_mistake_is_said_to_have_none(moft, tmp_path):
    (tmp_path / "good.yaml").write_text(GOOD)
    said = moft("config", "check", tmp_path / "good.yaml")
    assert (said.code, said.out, said.mistakes) == (0, f"{tmp_path / 'good.yaml'}: no mistakes.\n", [])


def test_every_mistake_is_told_with_its_file_line_and_setting(moft, tmp_path, monkeypatch):
    monkeypatch.delenv("NO_SUCH_VARIABLE", raising=False)
    (tmp_path / "good.yaml").write_text(GOOD)
    (tmp_path / "bad.yaml").write_text(BAD)
    (tmp_path / "mine.py").write_text(MINE)
    said = moft("config", "check", "--trust", "bad.yaml", "good.yaml", "none.yaml")
    assert (said.code, said.out) == (2, "good.yaml: no mistakes.\n")
    told = [line.removeprefix("moft: error: ") for line in said.mistakes]
    assert [": ".join(line.split(": ")[:2]) for line in told[:-1]] == [
        "bad.yaml:1: plugins.0",
        "bad.yaml:4: task.data",
        "bad.yaml:6: task.objectives.first.beta",
        "bad.yaml:7: task.objectives.second.colum",
        "bad.yaml:7: task.objectives.second.column",
        "bad.yaml:8: task.heads",
        "bad.yaml:11: method.loss",
        "bad.yaml:12: method.sampler.alpha",
        "bad.yaml:14: trainer.epoch",
    ]
    assert "environment variable ${NO_SUCH_VARIABLE} is not set" in told[1]
    assert "plugin 'mine.py': component 'mine': cannot import 'a_library_that_nobody_has:Loss'" in told[6]
    assert told[-1].startswith("config file 'none.yaml' does not exist.")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("{column: 9}", "{column: 9"), ":6: while parsing a flow mapping: expected ',' or '}', but got ':'."),
        (
            ("method:\n", "plugins: mine.py\nmethod:\n"),
            ":6: plugins: must be a list of files such as ['./mine.py'], got 'mine.py'.",
        ),
        (("profile:", "prfile:"), ":1: profile: is missing; it is required (mapping with evaluator)."),
    ],
)
def test_a_file_that_is_wrong_as_a_whole_is_told_too(change, told, moft, tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text(GOOD.replace(*change))
    said = moft("config", "check", path)
    assert said.code == 2
    assert f"moft: error: {path}{told}" in said.mistakes


def test_a_file_that_cannot_be_read_keeps_nothing_of_the_others_back(moft, tmp_path):
    cut, good = tmp_path / "cut.yaml", tmp_path / "good.yaml"
    cut.write_text(GOOD.replace("{column: 9}", "{column: 9"))
    good.write_text(GOOD)
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(GOOD.replace("{width: 8}", "{width: 0}"))
    inside = good / "none.yaml"
    said = moft("config", "check", cut, inside, good, wrong)
    assert (said.code, said.out) == (2, f"{good}: no mistakes.\n")
    told = [
        f"{cut}:6: while parsing",
        f"config file '{inside}' cannot be read (Not a directory).",
        f"{wrong}:8: method.conditioner",
    ]
    assert len(said.mistakes) == len(told)
    assert all(line.startswith(f"moft: error: {start}") for line, start in zip(said.mistakes, told, strict=True))


def test_what_components_refuse_when_they_are_built_is_told_for_each_of_them(moft, tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text(GOOD.replace("  conditioner: {width: 8}\n", "  loss: {name: broken}\n  scalarizer: {name: refusing}\n"))
    (tmp_path / "mine.py").write_text(BUILT)
    path.write_text(f"plugins: [{tmp_path / 'mine.py'}]\n" + path.read_text())
    said = moft("config", "check", "--trust", path)
    assert said.code == 2
    assert [line.removeprefix(f"moft: error: {path}:") for line in said.mistakes] == [
        f"9: [method.loss] loss 'broken' of plugin '{tmp_path / 'mine.py'}' cannot be built "
        "(ZeroDivisionError: division by zero). MOFT_TRACE=1 shows where.",
        "10: [method.scalarizer] 'refusing' needs more.",
    ]


BUILT = """
from moft import Component, ConfigError, hookimpl

def broken():
    return 1 / 0

def refusing():
    raise ConfigError("'refusing' needs more.")

@hookimpl
def moft_losses():
    yield Component("broken", broken, "cannot be built")

@hookimpl
def moft_scalarizers():
    yield Component("refusing", refusing, "refuses")
"""


def test_a_plugin_file_of_one_config_is_not_known_in_the_next(moft, tmp_path):
    (tmp_path / "mine.py").write_text(MINE.replace("a_library_that_nobody_has:Loss", "moft_losses.listnet:ListNet"))
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    second.write_text(GOOD.replace("  conditioner: {width: 8}\n", "  loss: mine\n"))
    first.write_text(f"plugins: [{tmp_path / 'mine.py'}]\n" + second.read_text())
    said = moft("config", "check", "--trust", first, second)
    assert said.out == f"{first}: no mistakes.\n"
    assert [line.split(": ")[2:4] for line in said.mistakes] == [[f"{second}:8", "method.loss"]]


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("schema") / "moft.json"
    assert main(["config", "schema", "--out", str(path)]) == 0
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: str(path.relative_to(ROOT / "configs")))
def test_a_shipped_config_fits_the_schema(config, schema):
    assert misfits(load(config.read_text(encoding="utf-8")), schema, schema) == []


@pytest.mark.parametrize(
    "change",
    [
        ("width: 8", "width: 0"),
        ("width: 8", "widht: 8"),
        ("name: cos-dpo", "name: cos-dp"),
        ("{column: 9}", "{}"),
        ("profile: {evaluator: ndcg}", "profile: {}"),
        ("profile:", "seed: one\nprofile:"),
    ],
)
def test_a_mistake_does_not_fit_the_schema(change, schema):
    assert misfits(load(GOOD), schema, schema) == []
    assert misfits(load(GOOD.replace(*change)), schema, schema) != []


def test_the_schema_has_every_component_and_those_of_plugin_files(schema, moft, tmp_path, plugins):
    names = {choice["const"] for choice in schema["$defs"]["loss"]["anyOf"] if "const" in choice}
    assert names == {offer.component.name for offer in plugins.offers("losses")}
    (tmp_path / "mine.py").write_text(MINE)
    said = moft("config", "schema", "--plugin", tmp_path / "mine.py")
    more = {choice["const"] for choice in json.loads(said.out)["$defs"]["loss"]["anyOf"] if "const" in choice}
    assert more - names == {"mine"}


def misfits(value: Any, schema: Any, whole: Any) -> list[str]:
    """What of a value breaks a JSON Schema, as far as ours go; nothing when it fits."""
    if "$ref" in schema:
        schema = {**whole["$defs"][schema["$ref"].removeprefix("#/$defs/")], **{k: v for k, v in schema.items() if k != "$ref"}}
        return misfits(value, schema, whole)
    kinds = {
        "object": dict,
        "array": list,
        "string": str,
        "number": (int, float),
        "integer": int,
        "null": type(None),
        "boolean": bool,
    }
    found = []
    if "type" in schema and not isinstance(value, kinds[schema["type"]]):
        found.append(f"{value!r} is no {schema['type']}")
    found += [f"{value!r} is not {schema['const']!r}" for _ in (1,) if "const" in schema and value != schema["const"]]
    found += [f"{value!r} is none of {schema['enum']}" for _ in (1,) if "enum" in schema and value not in schema["enum"]]
    if "anyOf" in schema and all(misfits(value, one, whole) for one in schema["anyOf"]):
        found.append(f"{value!r} fits no choice")
    if isinstance(value, int | float):
        found += [f"{value} is too small" for _ in (1,) if value < schema.get("minimum", value)]
        found += [f"{value} is too small" for _ in (1,) if "exclusiveMinimum" in schema and value <= schema["exclusiveMinimum"]]
    if isinstance(value, dict):
        known = schema.get("properties", {})
        more = schema.get("additionalProperties", True)
        found += [f"{name} is missing" for name in schema.get("required", []) if name not in value]
        found += [f"{name} is unknown" for name in value if name not in known and more is False]
        inner = {name: known.get(name, more) for name in value if name in known or isinstance(more, dict)}
        found += [text for name, one in inner.items() for text in misfits(value[name], one, whole)]
    if isinstance(value, list) and "items" in schema:
        found += [text for item in value for text in misfits(item, schema["items"], whole)]
    return found
