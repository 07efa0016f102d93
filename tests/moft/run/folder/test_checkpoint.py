"""Records of a run: checkpoints whole or not at all, and a journal that fits them."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import fields, replace

import pytest
import torch

from moft.engine.training.jobs.job_records import JobState, TrainingCost
from moft.errors import RunError
from moft.hooks.observers import Observers
from moft.hooks.plugin_manager import Plugins
from moft.run.folder.checkpoint import RunRecords
from moft.run.folder.run_folder import RunFolder
from moft.types import Run


@pytest.fixture
def folder(tmp_path) -> RunFolder:
    return RunFolder.create(tmp_path / "run", {"seed": 1})


@pytest.fixture
def records(folder):
    """Opens the records anew, as another process would."""

    def opened(fingerprint="mine", **settings) -> RunRecords:
        return RunRecords(folder, fingerprint, Observers(Plugins(), Run("run", folder.path, {})), **settings)

    return opened


def state(step: int, *, best: float = 0.25) -> JobState:
    """A state with something of its own in every field."""
    weights = {"weight": torch.full((2,), float(step))}
    best_weights = {"weight": torch.ones(2)} if best > float("-inf") else {}
    clock = {"steps": 0.5 * step}
    moments = {"weight|exp_avg": torch.rand(2), "weight|step": torch.tensor(float(step))}
    return JobState(step, step // 3, step % 3, clock, (best, 2.0), weights, best_weights, moments, {"draws": torch.arange(step)})


def assert_equal(found: JobState, expected: JobState) -> None:
    for field in fields(JobState):
        one, other = getattr(found, field.name), getattr(expected, field.name)
        if isinstance(other, dict):
            assert one.keys() == other.keys()
            assert all(torch.as_tensor(one[name]).equal(torch.as_tensor(value)) for name, value in other.items()), field.name
        else:
            assert one == other, field.name


@pytest.mark.parametrize("best", [0.1 + 0.2, float("-inf")])
def test_a_checkpoint_comes_back_as_it_was(best, records):
    kept = state(7, best=best)
    records().save("job", kept)
    assert_equal(records().latest("job"), kept)


def test_the_newest_checkpoint_is_taken_and_one_more_is_kept(records, folder):
    for step in (9, 10, 11):
        records().save("job", state(step))
    assert records().latest("job").step == 11
    assert sorted(path.name for path in (folder.checkpoints / "job").iterdir()) == ["step-000000010", "step-000000011"]


def test_a_job_without_a_checkpoint_starts_anew(records):
    assert records().latest("job") is None
    assert records().finished("job") is None


def test_a_finished_job_keeps_its_weights_and_seconds_alone(records, folder):
    records().save("job", state(3))
    account = TrainingCost(3, 4.5, 9.25, 12)
    records().finish("job", {"weight": torch.ones(2)}, account)
    again = records()
    assert again.finished("job")["weight"].equal(torch.ones(2))
    assert again.costs == {"job": account}
    assert [path.name for path in (folder.checkpoints / "job").iterdir()] == ["finished"]


@pytest.mark.parametrize("file", ["weights", "best", "optimizer", "generators"])
@pytest.mark.parametrize("cut", [True, False])
def test_a_damaged_checkpoint_is_told_with_the_way_out(file, cut, records, folder):
    records().save("job", state(3))
    records().save("job", state(4))
    path = folder.checkpoints / "job" / "step-000000004" / f"{file}.safetensors"
    path.write_bytes(path.read_bytes()[:20]) if cut else path.unlink()
    told = rf"{re.escape(str(path))}: is .* Remove {re.escape(str(path.parent))} to resume from the one before it\.$"
    with pytest.raises(RunError, match=told):
        records().latest("job")


@pytest.mark.parametrize("text", ["", "{", "\0"])
def test_a_damaged_state_is_told(text, records, folder):
    records().save("job", state(3))
    (folder.checkpoints / "job" / "step-000000003" / "state.json").write_text(text)
    with pytest.raises(RunError, match=r"state.json: is cut short or not JSON"):
        records().latest("job")


@pytest.mark.parametrize("change", [{"step": "x"}, {"clock": 3}, {"best": None}, {"best": ["x"]}, {"epoch": None}])
def test_a_state_of_other_kinds_is_told_with_the_way_out(change, records, folder):
    records().save("job", state(3))
    path = folder.checkpoints / "job" / "step-000000003" / "state.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(RunError, match=r"state.json: is damaged; .* Remove .*step-000000003 to resume from the one before it\.$"):
        records().latest("job")


def test_a_number_that_is_not_finite_in_a_checkpoint_is_told(records):
    records().save("job", replace(state(3), weights={"weight": torch.tensor([1.0, torch.nan])}))
    with pytest.raises(RunError, match=r"weights.safetensors: 'weight' has the value nan at \[1\].* Remove .*step-000000003 to"):
        records().latest("job")


def test_infinity_is_null_in_the_journal(records, folder):
    records().step(1, {"job": "job", "loss": float("inf")})
    assert json.loads(folder.steps.read_text())["loss"] is None


def test_a_checkpoint_of_another_config_is_refused(records):
    records().save("job", state(3))
    records().finish("done", {}, TrainingCost(1, 1.0, 1.0, 2))
    with pytest.raises(RunError, match=r"step-000000003: was made with another config"):
        records("theirs").latest("job")
    with pytest.raises(RunError, match="finished: was made with another config; remove it to train this job again"):
        records("theirs").finished("done")


@pytest.mark.parametrize("at", ["fsync", "replace"])
def test_a_full_disk_keeps_earlier_checkpoints_whole(at, records, folder, full_disk):
    kept = state(3)
    records().save("job", kept)
    full_disk(at)
    with pytest.raises(RunError, match=r"cannot be written \(No space left on device\)") as error:
        records().save("job", state(4))
    assert "\n" not in str(error.value)
    assert [path.name for path in (folder.checkpoints / "job").iterdir()] == ["step-000000003"]
    assert_equal(records().latest("job"), kept)


def test_steps_after_the_checkpoint_are_forgotten_and_a_torn_line_too(records, folder):
    first = records()
    for step in (1, 2):
        first.step(step, {"job": "base", "loss": 1.0})
    for step in (1, 2, 3):
        first.step(step, {"job": "job", "loss": 1.0})
    first.save("job", state(2))
    with folder.steps.open("a") as file:
        file.write('{"step": 4, "jo')
    records().latest("job")
    told = [(line["job"], line["step"]) for line in map(json.loads, folder.steps.read_text().splitlines())]
    assert told == [("base", 1), ("base", 2), ("job", 1), ("job", 2)]


def test_steps_of_a_second_job_are_kept_after_those_of_a_resumed_first(records, folder):
    resumed = records()
    resumed.step(1, {"job": "base"})
    resumed.latest("policy")
    resumed.step(1, {"job": "policy"})
    assert [json.loads(line)["job"] for line in folder.steps.read_text().splitlines()] == ["base", "policy"]


def test_a_process_that_only_reads_changes_nothing(records, folder):
    records().step(5, {"job": "job"})
    before = folder.steps.read_bytes()
    records().save("job", state(2))
    assert records(is_main=False).latest("job").step == 2
    assert folder.steps.read_bytes() == before


def test_a_note_is_kept_once(records):
    for text in ("one", "two", "one"):
        records().note(text)
    assert records().notes == ("one", "two")


def test_a_journal_that_cannot_be_written_is_told(records, folder):
    folder.steps.mkdir()
    with pytest.raises(RunError, match=r"steps.jsonl: cannot be written \(Is a directory\)"):
        records().step(1, {"job": "job"})


def test_a_checkpoint_of_the_same_step_replaces_the_first(records):
    records().save("job", state(3))
    kept = replace(state(3), clock={"steps": 9.0})
    records().save("job", kept)
    assert_equal(records().latest("job"), kept)


def test_checkpoints_that_a_killed_process_left_of_a_finished_job_go(records, folder):
    records().save("job", state(3))
    shutil.copytree(folder.checkpoints / "job" / "step-000000003", folder.path / "kept")
    records().finish("job", {"weight": torch.ones(2)}, TrainingCost(1, 1.0, 1.0, 2))
    shutil.move(folder.path / "kept", folder.checkpoints / "job" / "step-000000003")
    assert records().finished("job") is not None
    assert [path.name for path in (folder.checkpoints / "job").iterdir()] == ["finished"]


def test_a_job_that_is_forgotten_leaves_nothing(records, folder):
    kept = records()
    kept.step(1, {"job": "one", "loss": 1.0})
    kept.step(1, {"job": "other", "loss": 2.0})
    kept.save("one", state(1))
    kept.forget("one")
    assert [json.loads(line)["job"] for line in folder.steps.read_text().splitlines()] == ["other"]
    assert not (folder.checkpoints / "one").exists()


def test_what_was_measured_in_all_sessions_is_told_and_a_missing_number_is_null(records, folder):
    first = records()
    first.step(1, {"job": "job", "hypervolume": 0.5})
    first.step(2, {"job": "job"})
    first.close()
    second = records()
    second.step(3, {"job": "job", "hypervolume": float("nan")})
    assert json.loads(folder.steps.read_text().splitlines()[-1])["hypervolume"] is None
    assert second.history("hypervolume") == [0.5, 0.0]


def test_what_a_user_put_beside_checkpoints_is_left_alone(records, folder):
    for step in (1, 2, 3):
        records().save("job", state(step))
        mine = folder.checkpoints / "job" / "step-notes"
        mine.mkdir(exist_ok=True)
        (mine / "a.txt").write_text("mine")
    assert records().latest("job").step == 3
    records().finish("job", {"weight": torch.ones(2)}, TrainingCost(1, 1.0, 1.0, 2))
    assert sorted(path.name for path in (folder.checkpoints / "job").iterdir()) == ["finished", "step-notes"]
    assert (mine / "a.txt").read_text() == "mine"
