"""A run that is ended by a signal, or whose folder is taken away, stops in order and says what is kept."""

from __future__ import annotations

import json
import shutil
import signal

import pytest

from moft.files.safetensors import load_tensors, save_tensors
from moft.run.folder.checkpoint import RunRecords
from moft.run.folder.run_folder import RunFolder, lock_folder


def contents(folder):
    """Every file below a folder."""
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in sorted(folder.rglob("*"))}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_a_run_in_order_and_says_how_to_go_on(number, config, finished, moft, learned, tmp_path, monkeypatch):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    whole, run = RunRecords.step, tmp_path / "a run"

    def step(self, step, values):
        whole(self, step, values)
        if values["job"] == "policy" and step == 2:
            signal.raise_signal(number)

    monkeypatch.setattr(RunRecords, "step", step)
    words = ("train", config, "--out", run, "--set", "profile.bootstrap_samples=20")
    said = moft(*words)
    monkeypatch.setattr(RunRecords, "step", whole)
    signal.signal(signal.SIGINT, before)
    by = "" if number == signal.SIGINT else f" by {number.name}"
    again = f"moft train {config} --out '{run}' --set profile.bootstrap_samples=20 --resume"
    assert said.code == 128 + number
    assert said.mistakes == [f"moft: interrupted{by}. {run} keeps the last checkpoints. Go on with: {again}"]
    lock_folder(run).close()
    assert moft(*words, "--resume").code == 0
    assert learned(run) == learned(finished)


def test_a_run_that_is_interrupted_before_anything_is_learned_leaves_nothing(config, moft, tmp_path, monkeypatch):
    def step(self, step, values):
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(RunRecords, "step", step)
    said = moft("train", config, "--out", tmp_path / "run", "--set", "trainer.checkpoint_steps=1000")
    again = f"moft train {config} --out {tmp_path / 'run'} --set trainer.checkpoint_steps=1000 --resume"
    told = f"moft: interrupted by SIGTERM. Nothing was trained yet, so nothing is kept. Go on with: {again}"
    assert (said.code, said.mistakes) == (143, [told])
    assert not (tmp_path / "run").exists()


def damage_of(place, kind):
    """Does something to a checkpoint that leaves each of its files readable."""
    if kind == "best weights of something else":
        shutil.copy(place / "optimizer.safetensors", place / "best.safetensors")
    elif kind == "moments of something else":
        shutil.copy(place / "weights.safetensors", place / "optimizer.safetensors")
    elif kind == "no random states":
        save_tensors(place / "generators.safetensors", {})
    elif kind == "random states of another kind":
        states = load_tensors(place / "generators.safetensors")
        save_tensors(place / "generators.safetensors", {name: value.float() for name, value in states.items()})
    elif kind == "a step that no epoch has":
        state = json.loads((place / "state.json").read_text())
        (place / "state.json").write_text(json.dumps(state | {"epoch": 0, "epoch_step": 99}))
    elif kind == "values of more models":
        state = json.loads((place / "state.json").read_text())
        (place / "state.json").write_text(json.dumps(state | {"best": [0.5, 0.5]}))


KINDS = {
    "best weights of something else": "its checkpoint is of another model: it holds 'conditioner",
    "moments of something else": "its checkpoint is of another model: ",
    "no random states": "the random states of its checkpoint are damaged (KeyError: 'draws')",
    "random states of another kind": "the random states of its checkpoint are damaged (TypeError: ",
    "a step that no epoch has": "its checkpoint is at step 99 of epoch 1, which its data do not have",
    "values of more models": "its checkpoint is of another model: it has 2 best values, for 1 models",
}


@pytest.mark.parametrize(("kind", "told"), KINDS.items(), ids=KINDS)
def test_a_checkpoint_that_is_not_of_its_job_is_told_and_no_plugin_is_blamed(kind, told, config, moft, tmp_path, monkeypatch):
    whole, run = RunRecords.save, tmp_path / "run"

    def save(self, job, state):
        whole(self, job, state)
        if job == "policy" and state.step == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(RunRecords, "save", save)
    assert moft("train", config, "--out", run).code == 130
    monkeypatch.setattr(RunRecords, "save", whole)
    damage_of(max((run / "checkpoints" / "policy").glob("step-*")), kind)
    said = moft("train", config, "--out", run, "--resume")
    assert (said.code, len(said.mistakes)) == (2, 1)
    assert told in said.mistakes[0]
    assert "plugin" not in said.mistakes[0]


TAKEN = {
    "removed": shutil.rmtree,
    "moved": lambda run: run.rename(run.with_name("moved")),
    "replaced": lambda run: (run.rename(run.with_name("moved")), RunFolder.create(run, {"seed": 7})),
}


@pytest.mark.parametrize("take", TAKEN.values(), ids=TAKEN)
@pytest.mark.parametrize("job", ["base", "policy"])
def test_a_run_whose_folder_is_taken_away_stops_and_touches_nothing_there(take, job, config, moft, tmp_path, monkeypatch):
    whole, run, there = RunRecords.step, tmp_path / "out" / "run", []

    def step(self, step, values):
        whole(self, step, values)
        if values["job"] == job and step == 1:
            take(run)
            there.extend(contents(run.parent).items())

    monkeypatch.setattr(RunRecords, "step", step)
    said = moft("train", config, "--out", run)
    told = f"moft: error: {run}: the run folder was removed, moved or replaced during the run, so nothing more can be kept."
    assert (said.code, len(said.mistakes)) == (2, 1)
    assert said.mistakes[0].startswith(told)
    assert contents(run.parent) == dict(there)
