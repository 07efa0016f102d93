"""A choice of a run whose data have changed is told as what it is."""

from __future__ import annotations

import shutil

import pytest

WISH = ["--keep", "main >= 50% of base", "--maximise", "first", "--measurements", "8"]


@pytest.fixture
def run(finished, tmp_path):
    """A copy of the finished run, to choose in."""
    return shutil.copytree(finished, tmp_path / "run")


def test_data_that_have_changed_are_told(run, moft, lists, tmp_path):
    shutil.copytree(lists, tmp_path / "lists")
    config = run / "config.yaml"
    config.write_text(config.read_text().replace(str(lists), str(tmp_path / "lists")))
    validation = tmp_path / "lists" / "vali.txt"
    validation.write_text(validation.read_text().replace(" 9:1", " 9:0"))
    said = moft("choose", run, *WISH)
    assert said.code == 0
    assert "Chosen on other data than the run recorded: its data have changed since the run began" in said.out
    assert "made before" not in moft("choose", run, *WISH).out
    validation.write_text(validation.read_text().replace(" 9:0", " 9:0.5"))
    assert "This choice was made before: its data have changed since the run began" in moft("choose", run, *WISH).out
    validation.unlink()
    said = moft("choose", run, "--maximise", "second")
    assert (said.code, len(said.mistakes)) == (2, 1)
