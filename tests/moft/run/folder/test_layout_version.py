"""Runs of another layout are refused in one line, whichever command reads them."""

from __future__ import annotations

import json
import shutil

import pytest

from moft.config.yaml12 import dump, load
from moft.errors import RunError
from moft.hooks.plugin_manager import Plugins
from moft.run.folder.run_folder import RunFolder
from moft.run.policy.open_run import open_run

BEFORE = "was made by a version of moft before 0.2.0, which this version cannot read; train the run anew, with another --out."
OLD_NAMES = {"max_grad_norm": "clip", "gradient_accumulation_steps": "accumulation", "models_at_once": "together"}


@pytest.fixture
def old(finished, tmp_path):
    """A finished run as a version before 0.2.0 wrote it: old settings, no layout, a front of schema 1."""
    folder = shutil.copytree(finished, tmp_path / "old")
    config = load((folder / "config.yaml").read_text())
    config["trainer"] = {OLD_NAMES.get(name, name): value for name, value in config["trainer"].items()}
    config["profile"]["samples"] = config["profile"].pop("bootstrap_samples")
    for objective in config["task"]["objectives"].values():
        objective["temperature"] = objective.pop("beta")
    (folder / "config.yaml").write_text(dump(config))
    for name, change in (("versions.json", {"layout": None}), ("front.json", {"schema": 1})):
        content = json.loads((folder / name).read_text()) | change
        (folder / name).write_text(json.dumps({key: value for key, value in content.items() if value is not None}))
    return folder


def test_a_run_folder_says_its_layout(finished):
    assert json.loads((finished / "versions.json").read_text())["layout"] == 2
    assert RunFolder.open(finished).resolved_config()["seed"] == 0


def test_an_old_run_is_not_opened(old):
    with pytest.raises(RunError) as error:
        open_run(old, Plugins(), device="cpu")
    assert str(error.value) == f"{old}: {BEFORE}"


COMMANDS = {
    "profile": ("profile", "{old}"),
    "score": ("score", "{old}", "{lists}/test.txt", "--weights", "1,0"),
    "resume": ("train", "{config}", "--out", "{old}", "--resume"),
    "plan of a resume": ("train", "{config}", "--out", "{old}", "--resume", "--plan"),
    "sweep": ("sweep", "{config}", "--over", "seed=0", "--out", "{sweep}"),
    "plan of a sweep": ("sweep", "{config}", "--over", "seed=0", "--out", "{sweep}", "--plan"),
    "compare": ("compare", "{finished}", "{old}"),
}


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_an_old_run_is_refused_by_every_command_and_left_alone(words, old, finished, lists, config, moft, tmp_path):
    sweep = tmp_path / "sweep"
    if words[0] == "sweep":
        sweep.mkdir()
        old = old.rename(sweep / "seed=0")
    places = {"old": old, "finished": finished, "lists": lists, "config": config, "sweep": sweep}
    before = {path: path.read_bytes() for path in old.rglob("*") if path.is_file()}
    said = moft(*(word.format(**places) for word in words))
    at = old / "front.json" if words[0] == "compare" else old
    assert (said.code, said.mistakes) == (2, [f"moft: error: {at}: {BEFORE}"])
    assert {path: path.read_bytes() for path in old.rglob("*") if path.is_file()} == before


def test_an_old_policy_that_was_copied_without_its_versions_is_refused(old):
    (old / "versions.json").unlink()
    with pytest.raises(RunError, match=BEFORE):
        open_run(old, Plugins(), device="cpu")


def test_a_policy_that_was_copied_without_its_versions_is_opened(finished, tmp_path, plugins):
    folder = tmp_path / "copied"
    shutil.copytree(finished / "policy", folder / "policy")
    shutil.copy(finished / "config.yaml", folder)
    assert open_run(folder, plugins, device="cpu").names == ("first", "second")


def test_a_newer_layout_is_refused(finished, tmp_path):
    folder = shutil.copytree(finished, tmp_path / "newer")
    versions = json.loads((folder / "versions.json").read_text())
    (folder / "versions.json").write_text(json.dumps(versions | {"layout": 3}))
    with pytest.raises(RunError, match="newer: has layout 3; this version of moft reads 2"):
        RunFolder.open(folder)
