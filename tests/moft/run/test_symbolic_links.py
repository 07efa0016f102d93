"""A run folder may hold symbolic links of somebody else: nothing that they lead to is written, cut or deleted."""

from __future__ import annotations

import os
import shutil

import pytest

FILES = (
    "config.yaml",
    "versions.json",
    "steps.jsonl",
    "notes.json",
    "front.json",
    "front.csv",
    "front.png",
    "report.html",
    "lists.safetensors",
    "policy/policy.safetensors",
    "policy/task.safetensors",
)
FOLDERS = ("policy", "checkpoints", "checkpoints/policy", "checkpoints/policy/finished", "plugins", "profiles", "trackers")


def content(folder):
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in folder.rglob("*")
    }


@pytest.fixture
def outside(finished, tmp_path):
    """A copy of a run, to which links lead."""
    folder = shutil.copytree(finished, tmp_path / "outside")
    for name in ("plugins", "profiles", "trackers"):
        (folder / name).mkdir()
    (folder / ".lock").write_text("not a lock")
    return folder


@pytest.fixture
def run(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "run")


def link(run, outside, name):
    place = run / name
    if place.is_dir():
        shutil.rmtree(place)
    place.unlink(missing_ok=True)
    place.symlink_to(outside / name)


def test_linked_files_are_replaced(config, moft, run, outside):
    if not (outside / "notes.json").exists():
        (outside / "notes.json").write_text("[]")
    for name in FILES:
        link(run, outside, name)
    (run / "front.json").unlink()
    (run / "front.json").symlink_to(outside / "nowhere")  # not finished
    before = content(outside)
    said = moft("train", config, "--out", run, "--resume")
    assert said.code == 0, said.mistakes
    assert content(outside) == before
    kept = ("config.yaml", "steps.jsonl", "notes.json")  # which had nothing new
    assert [name for name in FILES if name not in kept and (run / name).is_symlink()] == []


@pytest.mark.parametrize("name", [".lock", *FOLDERS])
def test_linked_folders_and_a_linked_lock_are_refused(name, config, moft, run, outside):
    link(run, outside, name)
    (run / "front.json").unlink()
    before = content(outside)
    said = moft("train", config, "--out", run, "--resume")
    assert (said.code, len(said.mistakes)) == (2, 1)
    assert f"{run / name}: " in said.mistakes[0]
    assert "symbolic link" in said.mistakes[0]
    assert content(outside) == before


def test_a_journal_that_is_linked_meanwhile_is_not_appended_to(config, moft, run, outside, monkeypatch):
    """The link is made after the journal was looked through."""
    from moft.run.folder.checkpoint import RunRecords

    plain = RunRecords._rewind

    def linked(self, job, step):
        plain(self, job, step)
        link(run, outside, "steps.jsonl")

    monkeypatch.setattr(RunRecords, "_rewind", linked)
    shutil.rmtree(run / "checkpoints" / "policy")
    before = content(outside)
    said = moft("train", config, "--out", run, "--resume")
    assert (said.code, len(said.mistakes)) == (2, 1)
    assert "steps.jsonl: cannot be written (it is a symbolic link, which moft does not follow; remove it)" in said.mistakes[0]
    assert content(outside) == before


def test_a_pipe_in_place_of_the_lock_is_not_waited_for(config, moft, run):
    (run / ".lock").unlink(missing_ok=True)
    os.mkfifo(run / ".lock")
    said = moft("train", config, "--out", run, "--resume")
    assert (said.code, len(said.mistakes)) == (2, 1)
    assert f"{run / '.lock'}: cannot be opened" in said.mistakes[0]


def test_profiles_and_scores_stay_out_of_what_links_lead_to(moft, run, outside, lists, tmp_path):
    link(run, outside, "profiles")
    (outside / "scores.txt").write_text("mine")
    (run / "scores.txt").symlink_to(outside / "scores.txt")
    (run / "new").symlink_to(outside / "new")
    before = content(outside)
    said = moft("profile", run)
    assert said.mistakes == [
        f"moft: error: {run / 'profiles'}: is a symbolic link, and moft writes only into the run folder itself; remove the link."
    ]
    assert moft("profile", run, "--out", run / "new").code == 2
    assert moft("score", run, lists / "test.txt", "--weights", "0.5,0.5", "--out", run / "scores.txt").code == 2
    assert content(outside) == before


def test_links_that_the_user_made_there_are_left_alone(config, moft, run, tmp_path):
    """Data or notes beside what moft writes; nothing goes through them."""
    (tmp_path / "mine").mkdir()
    for place in ("data", "notes", "policy/more"):
        (run / place).symlink_to(tmp_path / "mine")
    (run / "front.json").unlink()
    assert moft("train", config, "--out", run, "--resume").code == 0
    assert moft("profile", run).code == 0
    said = moft("profile", run, "--out", run / "data" / "front")
    assert (said.code, len(said.mistakes)) == (2, 1)
    assert f"{run / 'data'}: is a symbolic link" in said.mistakes[0]
    assert list((tmp_path / "mine").iterdir()) == []
    assert (run / "data").is_symlink()


def test_a_new_run_is_not_made_through_a_link(config, moft, tmp_path):
    (tmp_path / "outside").mkdir()
    for target in ("outside", "nowhere"):
        (tmp_path / "run").symlink_to(tmp_path / target)
        said = moft("train", config, "--out", tmp_path / "run")
        assert (said.code, len(said.mistakes)) == (2, 1)
        assert list((tmp_path / "outside").iterdir()) == []
        assert not (tmp_path / "nowhere").exists()
        (tmp_path / "run").unlink()


def test_a_link_to_a_whole_run_leads_to_it(config, moft, run, tmp_path):
    (tmp_path / "latest").symlink_to(run)
    (run / "front.json").unlink()
    assert moft("train", config, "--out", tmp_path / "latest", "--resume").code == 0
    assert (run / "front.json").is_file()
    assert os.path.islink(tmp_path / "latest")


@pytest.mark.parametrize("name", [".sweep", ".sweep/seed=0.log", ".sweep/.lock"])
def test_the_records_of_a_sweep_are_not_followed(name, config, moft, tmp_path):
    outside, folder = tmp_path / "outside", tmp_path / "sweep"
    (outside / ".sweep").mkdir(parents=True)
    (outside / name).touch()
    (folder / name).parent.mkdir(parents=True)
    (folder / name).symlink_to(outside / name)
    before = content(outside)
    said = moft("sweep", config, "--seeds", 1, "--out", folder)
    assert said.code == 2
    assert "symbolic link" in said.mistakes[-1]
    assert content(outside) == before
