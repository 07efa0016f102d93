"""A plugin that fails in the midst of a run is named, and what was learned stays; one that is gone is named too."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import moft as library
from moft.errors import RunError
from moft.run.checks.plugin_errors import plugin_fault

LOSS = """
import torch
from moft import Component, hookimpl

class Failing:
    left = {after}

    def __call__(self, rewards, labels, mask):
        if rewards.requires_grad and torch.is_grad_enabled():
            type(self).left -= 1
        if self.left < 0:
            {fault}
        return -(labels * rewards.masked_fill(~mask, 0.0)).sum(-1).tanh()

@hookimpl
def moft_losses():
    yield Component("failing", Failing, "fails after a while")
"""
SOUND = 10**6


@pytest.fixture
def words(config, tmp_path):
    """The words that train with a loss that fails after some steps."""
    more = ("method.loss=failing", "method.balance=none", "task.base={name: scores, column: 1}")

    def made(after: int, fault: str = "raise ValueError('of mine')") -> list[str]:
        (tmp_path / "mine.py").write_text(LOSS.format(after=after, fault=fault))
        settings = (f"plugins=[{tmp_path / 'mine.py'}]", *more)
        return ["train", str(config), "--out", str(tmp_path / "run"), *(word for one in settings for word in ("--set", one))]

    return made


@pytest.mark.slow
def test_a_plugin_that_raises_while_training_is_named_and_the_run_goes_on_once_it_is_repaired(words, moft, tmp_path):
    said = moft(*words(5))
    run, file = tmp_path / "run", tmp_path / "mine.py"
    assert said.code == 2
    (told,) = said.mistakes
    assert told.startswith(f"moft: error: {run}: plugin '{file}' failed (loss Failing failed on rewards [")
    advice = "The last checkpoint is kept: fix the plugin, then continue with --resume. MOFT_TRACE=1 shows where."
    assert told.endswith(f"] (ValueError: of mine)). {advice}")
    assert list((run / "checkpoints" / "policy").iterdir())
    assert moft(*words(SOUND), "--resume").code == 0
    assert (run / "front.json").is_file()


@pytest.mark.parametrize(
    "fault", ["raise ValueError('of mine')", "raise SystemExit(3)", "labels.nothing_of_that_name", "return None"]
)
def test_a_plugin_that_raises_at_once_leaves_nothing(fault, words, moft, tmp_path):
    said = moft(*words(0, fault))
    assert (said.code, len(said.mistakes)) == (2, 1)
    assert f"plugin '{tmp_path / 'mine.py'}' failed (" in said.mistakes[0]
    assert "Nothing was trained yet, so no folder is left." in said.mistakes[0]
    assert not (tmp_path / "run").exists()


def test_what_no_plugin_did_or_what_is_expected_is_no_fault_of_a_plugin(plugins):
    def caught(error: BaseException) -> BaseException:
        try:
            raise error
        except BaseException as raised:
            return raised

    assert plugin_fault(caught(ValueError("here")), plugins) is None
    assert plugin_fault(caught(RunError("told")), plugins) is None
    assert plugin_fault(caught(KeyboardInterrupt()), plugins) is None


def test_the_innermost_plugin_is_named_with_its_package_and_version(plugins):
    from moft_losses.listnet import ListNet

    with pytest.raises(AttributeError) as caught:
        ListNet()(None, None, None)
    assert plugin_fault(caught.value, plugins).startswith(
        f"plugin 'losses' (moft {library.__version__}) failed (AttributeError: "
    )


def test_a_run_whose_plugin_is_gone_says_which_when_it_is_opened(finished: Path, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    versions = json.loads((run / "versions.json").read_text(encoding="utf-8"))
    versions["plugins"]["hinge"] = "moft-hinge 1.2"
    (run / "versions.json").write_text(json.dumps(versions), encoding="utf-8")
    config = (run / "config.yaml").read_text(encoding="utf-8")
    (run / "config.yaml").write_text(config.replace("name: listnet", "name: hinge"), encoding="utf-8")
    with pytest.raises(RunError, match=r"(?s)cannot be opened: task.base.loss: unknown loss 'hinge'.*'hinge' \(moft-hinge 1.2\)"):
        library.open_run(run, device="cpu")


def test_a_run_whose_plugin_file_is_gone_says_so(finished: Path, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    config = (run / "config.yaml").read_text(encoding="utf-8")
    (run / "config.yaml").write_text(config.replace("plugins: []", "plugins: [somewhere/mine.py]"), encoding="utf-8")
    with pytest.raises(RunError, match=r"cannot be opened: plugin file '.*run/plugins/mine.py' does not exist"):
        library.open_run(run, device="cpu")
