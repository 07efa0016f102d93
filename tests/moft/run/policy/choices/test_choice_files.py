"""The files of choices: what is read of them, and one line on every damage."""

from __future__ import annotations

import json
import math
import shutil
import time

import pytest
import torch

from moft.errors import ConfigError, RunError
from moft.hooks.plugin_manager import Plugins
from moft.run.folder.run_folder import RunFolder
from moft.run.policy.choices.choice_files import choice_names, read_choice, write_choice
from moft.run.policy.choices.expected_outcomes import expected_outcomes
from moft.run.policy.open_run import open_run

OBJECTIVES = ("first", "second")


@pytest.fixture(scope="module")
def made(finished, tmp_path_factory):
    """A run with the choice `mine`; do not change what is there."""
    path = shutil.copytree(finished, tmp_path_factory.mktemp("made") / "run")
    plugins = Plugins()
    plugins.load()
    open_run(path, plugins, is_measured=True).choose(keep=["main >= 50% of base"], maximise="first", name="mine")
    return path


@pytest.fixture
def folder(made, tmp_path):
    """What is read of such a run, to be changed."""
    for name in ("policy", "choices"):
        shutil.copytree(made / name, tmp_path / name)
    return RunFolder(tmp_path)


def expected(folder):
    return expected_outcomes(folder, torch.tensor([[0.5, 0.5]]), 1.0)


def changed(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_a_choice_is_read_as_it_was_written(folder):
    first = read_choice(folder, "mine", OBJECTIVES, "--weights")
    write_choice(folder, "again", first.record)
    assert read_choice(folder, "again", OBJECTIVES, "--weights").record == first.record
    assert choice_names(folder) == ["again", "mine"]
    assert (folder.choices / "again.json").read_bytes() == (folder.choices / "mine.json").read_bytes()


def test_the_order_of_the_objectives_does_not_matter(folder):
    assert read_choice(folder, "mine", ("second", "first"), "--weights").weights.keys() == {"first", "second"}


@pytest.mark.parametrize("name", ["mime", "outcomes", "MINE", "measured"])
def test_a_name_without_a_choice_is_told_with_those_there_are(name, folder):
    with pytest.raises(ConfigError, match=rf"^--weights '{name}': is neither weights, .*; its choices are mine\.[^\n]*$"):
        read_choice(folder, name, OBJECTIVES, "--weights")


@pytest.mark.parametrize("objectives", [("first",), ("first", "third"), ("first", "second", "third")])
def test_a_choice_of_other_objectives_is_refused(objectives, folder):
    with pytest.raises(RunError, match="is for the objectives first, second, and the run has first"):
        read_choice(folder, "mine", objectives, "--weights")


def test_a_choice_of_another_policy_is_refused(folder):
    file = folder.policy / "record.json"
    record = json.loads(file.read_text())
    record["sha256"]["policy.safetensors"] = "0" * 64
    file.write_text(json.dumps(record))
    for read in (lambda: read_choice(folder, "mine", OBJECTIVES, "--weights"), lambda: expected(folder)):
        with pytest.raises(RunError, match=r"another policy than the one of this run\. Remove it and run"):
            read()


def test_folders_and_leftovers_are_no_choices(folder):
    (folder.choices / "measured").mkdir(exist_ok=True)
    (folder.choices / ".mine.json.moft-012345-1-01234567").write_text("{")
    assert choice_names(folder) == ["mine"]


def drop(key):
    return lambda content: content.pop(key)


def put(value, *path):
    def change(content):
        for key in path[:-1]:
            content = content[key]
        content[path[-1]] = value

    return change


DAMAGED = {
    "no policy": drop("policy"),
    "no schema": drop("schema"),
    "a schema to come": put(99, "schema"),
    "another policy": put("0" * 64, "policy"),
    "no weights": drop("weights"),
    "other objectives": put({"a": 0.5, "b": 0.5}, "weights"),
    "one objective": put({"first": 1.0}, "weights"),
    "weights in words": put("half", "weights", "first"),
    "NaN weights": put(math.nan, "weights", "first"),
    "infinite weights": put(math.inf, "weights", "first"),
    "huge weights": put(1e308, "weights", "first"),
    "negative weights": put({"first": -0.5, "second": 1.5}, "weights"),
    "weights that sum to 2": put({"first": 1.0, "second": 1.0}, "weights"),
    "weights of a list": put([0.5, 0.5], "weights"),
    "weights of nothing": put({}, "weights"),
    "a dial of zero": put(0, "dial"),
    "a negative dial": put(-1.0, "dial"),
    "a huge dial": put(1e300, "dial"),
    "a tiny dial": put(1e-300, "dial"),
    "a dial in words": put("1", "dial"),
    "a dial of NaN": put(math.nan, "dial"),
    "a dial of true": put(True, "dial"),
    "no outcomes": drop("outcomes"),
    "outcomes in words": put("good", "outcomes"),
    "bounds of numbers": put([1, 2], "bounds"),
    "a gain of nothing": lambda content: [bound.pop("relaxed", None) for bound in content["bounds"]],
    "no confidence": put(None, "wish", "confidence"),
    "a wish of nothing": put([], "wish"),
    "notes of numbers": put([1], "notes"),
    "a test of nothing": put({}, "test"),
    "one tested outcome": lambda content: content["test"]["outcomes"].pop(),
    "nothing held": put([], "test", "held"),
    "half a reach": lambda content: content["outcomes"][0]["reachable"].pop(),
}


@pytest.mark.parametrize("change", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_choice_is_refused_in_one_line(change, folder):
    file = folder.choices / "mine.json"
    changed(file, change)
    with pytest.raises(RunError) as error:
        read_choice(folder, "mine", OBJECTIVES, "--weights")
    assert str(error.value).startswith(f"{file}: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "1", '"x"', "[" * 5000, '{"a": 1, "a": 2}', "\udcff", "NaN"])
@pytest.mark.parametrize("file", ["mine.json", "outcomes.json"])
def test_what_is_no_record_is_refused_in_one_line(content, file, folder):
    (folder.choices / file).write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(RunError) as error:
        _ = read_choice(folder, "mine", OBJECTIVES, "--weights") if file == "mine.json" else expected(folder)
    assert str(error.value).startswith(f"{folder.choices / file}: ")
    assert "\n" not in str(error.value)


OUTCOMES = {
    "no policy": drop("policy"),
    "another policy": put("0" * 64, "policy"),
    "no names": put([], "names"),
    "names of numbers": put([1, 2, 3], "names"),
    "one name": put(["first"], "names"),
    "no surrogate": drop("surrogate"),
    "NaN": put(math.nan, "surrogate", "means", 0, 0),
    "infinite": put(math.inf, "surrogate", "base", 0),
    "huge means": put(1e308, "surrogate", "means", 0, 0),
    "huge weights": put(1e308, "surrogate", "weights", 0, 0),
    "weights in words": put("x", "surrogate", "weights", 0, 0),
    "a long row": lambda content: content["surrogate"]["weights"][0].append(0.0),
    "a short column": lambda content: content["surrogate"]["means"].pop(),
    "no rows": lambda content: [content["surrogate"].__setitem__(key, []) for key in ("weights", "dials", "means")],
    "a dial of zero": put(0.0, "surrogate", "dials", 0),
    "a negative dial": put(-1.0, "surrogate", "dials", 0),
    "a kernel of zeros": put([0.0, 0.0, 0.0], "surrogate", "kernel"),
    "a kernel of two": put([1.0, 1.0], "surrogate", "kernel"),
    "a huge kernel": put([1e300, 1e300, 1e-300], "surrogate", "kernel"),
    "a kernel without noise": put([1e5, 1e3, 1e-300], "surrogate", "kernel"),
    "errors of nothing": put([], "held_out", "error"),
    "errors in words": put(["a", "b", "c"], "held_out", "error"),
}


@pytest.mark.parametrize("change", OUTCOMES.values(), ids=OUTCOMES)
@pytest.mark.filterwarnings("error")
def test_damaged_measurements_are_refused_in_one_line(change, folder):
    file = folder.choices / "outcomes.json"
    changed(file, change)
    with pytest.raises(RunError) as error:
        expected(folder)
    assert str(error.value).startswith(f"{file}: ")
    assert "\n" not in str(error.value)


def test_more_measurements_than_are_ever_made_are_refused_at_once(folder):
    def grow(content):
        for key in ("weights", "dials", "means"):
            content["surrogate"][key] *= 500

    changed(folder.choices / "outcomes.json", grow)
    began = time.monotonic()
    with pytest.raises(RunError, match="do not fit together"):
        expected(folder)
    assert time.monotonic() - began < 5


def test_what_is_expected_is_what_was_measured(folder):
    content = json.loads((folder.choices / "outcomes.json").read_text())
    found = expected(folder)
    assert [*found] == content["names"] == ["first", "second", "main"]
    assert {name: each.base for name, each in found.items()} == dict(
        zip(content["names"], content["surrogate"]["base"], strict=True)
    )
