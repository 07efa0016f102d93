"""`moft train`: what a run writes, planning, overriding, resuming, and what stops it."""

from __future__ import annotations

import json
import resource
import shutil
import signal
import subprocess
from collections.abc import Callable
from functools import wraps
from pathlib import Path

import pytest
import torch

from moft.config.yaml12 import load
from moft.files.safetensors import load_tensors
from moft.run.folder.run_folder import RunFolder
from moft_ltr.task import LTR

FILES = [
    "config.yaml",
    "front.csv",
    "front.json",
    "front.png",
    "lists.safetensors",
    "report.html",
    "steps.jsonl",
    "versions.json",
]


def test_a_run_writes_what_it_promises_and_nothing_half_done(finished):
    assert [name for name in FILES if not (finished / name).is_file()] == []
    assert sorted(path.name for path in finished.rglob(".*")) == [".lock"]
    record = json.loads((finished / "front.json").read_text())
    assert (record["schema"], record["objectives"], record["split"]) == (2, ["first", "second"], "test")
    assert record["nouns"] == {"list": "query", "item": "document"}
    assert [point["weights"] for point in record["points"]] == [[1, 0], [0.5, 0.5], [0, 1]]
    assert all(point["betas"] == [1, 0.5] for point in record["points"])
    assert record["cost"]["jobs"] == 1
    assert record["cost"]["parameters"] == sum(
        value.numel() for name, value in load_tensors(finished / "policy" / "policy.safetensors").items() if name != "betas"
    )


def test_the_journal_has_every_step_of_every_job(finished, steps):
    told = steps(finished)
    assert [(line["job"], line["step"]) for line in told] == [
        (job, step) for job in ("base", "policy") for step in range(1, 1 + sum(line["job"] == job for line in told))
    ]
    last = told[-1]
    assert (last["progress"], last["epoch"], last["lists"]) == (1.0, 2, 2 * 24)
    assert last["hypervolume"] > 0


def test_a_plan_writes_nothing_and_prints_the_resolved_settings(config, moft, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    said = moft("train", config, "--out", tmp_path / "run", "--plan", "--set", "trainer.epochs=7")
    assert (said.code, said.mistakes) == (0, [])
    settings = load(said.out.partition("Settings, with defaults filled in:\n")[2])
    assert settings["trainer"]["epochs"] == 7
    assert settings["trainer"]["learning_rate"] > 0
    assert f"Writes to: {tmp_path / 'run'}" in said.out
    assert sorted(tmp_path.rglob("*")) == before


def test_a_plan_builds_its_task_once(config, moft, monkeypatch):
    built, plain = [], LTR.__init__

    @wraps(plain)
    def counted(task, *given, **settings):
        built.append(task)
        plain(task, *given, **settings)

    monkeypatch.setattr(LTR, "__init__", counted)
    assert moft("train", config, "--plan").code == 0
    assert len(built) == 1


def test_a_plan_of_what_cannot_be_built_prints_only_the_mistake(config, moft, tmp_path):
    said = moft("train", config, "--plan", "--out", tmp_path / "run", "--set", "task.base={name: neural, heads: 3}")
    assert (said.code, said.out, len(said.mistakes)) == (2, "", 1)


@pytest.mark.slow
def test_the_resolved_config_of_a_run_gives_the_same_run(finished, moft, tmp_path, learned):
    torch.rand(17)  # whatever was drawn before
    assert moft("train", finished / "config.yaml", "--out", tmp_path / "again").code == 0
    assert learned(tmp_path / "again") == learned(finished)


@pytest.mark.slow
def test_an_override_changes_the_run(config, finished, moft, tmp_path, learned):
    assert moft("train", config, "--out", tmp_path / "run", "--set", "seed=1", "--set", "profile.points=4").code == 0
    assert load((tmp_path / "run" / "config.yaml").read_text())["seed"] == 1
    assert len(json.loads((tmp_path / "run" / "front.json").read_text())["points"]) == 4
    assert learned(tmp_path / "run")[0] != learned(finished)[0]


def test_a_run_that_is_there_is_left_alone(config, finished, moft, tmp_path, match):
    shutil.copytree(finished, tmp_path / "run")
    before = contents(tmp_path)
    said = moft("train", config, "--out", tmp_path / "run")
    assert (said.code, len(said.mistakes)) == (2, 1)
    assert match(
        "run: a run already exists here; choose another --out, remove it, or continue it with --resume", said.mistakes[0]
    )
    assert contents(tmp_path) == before


def test_a_plan_tells_that_an_adaptive_sampler_would_be_told_nothing(config, moft, tmp_path):
    words = ("--set", "method={name: cos-dpo, sampler: adaptive}", "--set", "trainer.evaluations=1")
    for more in (["--plan"], ["--out", tmp_path / "run"]):
        told = moft("train", config, *words, *more)
        assert told.code == 2
        assert "[trainer.evaluations] measures nothing before the last of" in told.mistakes[0]
    assert not (tmp_path / "run").exists()


def test_a_plan_in_the_place_of_a_run_says_so_and_one_that_resumes_has_to_go_with_it(config, finished, moft, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    before = contents(tmp_path)
    words = ("train", config, "--out", tmp_path / "run", "--plan")
    said = moft(*words)
    assert (said.code, said.mistakes) == (0, [])
    there = "A run already exists there: choose another --out, remove it, or continue it with --resume."
    assert said.out.splitlines()[:2] == [f"Writes to: {tmp_path / 'run'}", there]
    said = moft(*words, "--resume")
    assert said.code == 0
    assert said.out.startswith(f"Continues in: {tmp_path / 'run'}\nTask: ")
    said = moft(*words, "--resume", "--set", "seed=9")
    assert (said.code, said.out, len(said.mistakes)) == (2, "", 1)
    assert "was made with another config (seed: 0 there, 9 here)" in said.mistakes[0]
    assert contents(tmp_path) == before


@pytest.mark.parametrize("words", [(), ("--resume",), ("--plan",)])
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_is_no_run_is_left_alone(words, kind, config, moft, tmp_path):
    target = tmp_path / "run"
    if kind == "folder":
        target.mkdir()
    (target / "notes" if kind == "folder" else target).write_text("mine")
    before = contents(tmp_path)
    said = moft("train", config, "--out", target, *words)
    assert (said.code, len(said.mistakes)) == (2, 1)
    assert str(target) in said.mistakes[0]
    assert contents(tmp_path) == before


@pytest.mark.parametrize("words", [(), ("--resume",)])
def test_an_empty_folder_is_filled(words, config, moft, learned, finished, tmp_path):
    (tmp_path / "run").mkdir()
    place = (tmp_path / "run").stat().st_ino
    assert moft("train", config, "--out", tmp_path / "run", "--plan", *words).code == 0
    assert moft("train", config, "--out", tmp_path / "run", *words).code == 0
    assert learned(tmp_path / "run") == learned(finished)
    assert (tmp_path / "run").stat().st_ino == place, "a mounted folder cannot be replaced"


def test_a_run_that_was_killed_as_its_empty_folder_was_locked_begins_anew(config, moft, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".lock").touch()
    assert moft("train", config, "--out", tmp_path / "run", "--resume").code == 0


def test_a_place_that_cannot_be_written_is_told(config, moft, tmp_path, match):
    said = moft("train", config, "--out", config / "run")
    assert (said.code, len(said.mistakes)) == (2, 1)
    assert match("small.yaml/run: cannot be written .Not a directory.", said.mistakes[0])


def test_a_run_that_another_process_writes_is_left_alone(config, finished, moft, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    other = RunFolder.open(tmp_path / "run")
    other.hold()
    before = contents(tmp_path)
    said = moft("train", config, "--out", tmp_path / "run", "--resume")
    assert (said.code, len(said.mistakes)) == (2, 1)
    assert "run: another process is writing this run; wait for it to end." in said.mistakes[0]
    assert contents(tmp_path) == before


RESUMES = {
    "another seed": ("seed=1", "was made with another config (seed: 0 there, 1 here)"),
    "another rate": ("trainer.learning_rate=0.5", "(trainer.learning_rate: 0.003 there, 0.5 here)"),
    "another width": ("task.width=8", "(task.width: 16 there, 8 here)"),
    "another grid, by which the best weights are chosen": (
        "profile.validation_points=5",
        "(profile.validation_points: None there, 5 here)",
    ),
}


@pytest.mark.parametrize(("override", "told"), RESUMES.values(), ids=RESUMES)
def test_a_run_is_not_resumed_with_another_config(override, told, config, finished, moft, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    before = contents(tmp_path)
    said = moft("train", config, "--out", tmp_path / "run", "--resume", "--set", override, "--set", "profile.bootstrap_samples=5")
    assert (said.code, len(said.mistakes)) == (2, 1)
    assert told in said.mistakes[0]
    assert contents(tmp_path) == before


def test_a_finished_run_can_be_measured_otherwise_by_resuming_it(config, finished, moft, tmp_path, learned, steps):
    shutil.copytree(finished, tmp_path / "run")
    settings = ("profile.bootstrap_samples=5", "profile.split=validation", "profile.points=5", "trainer.checkpoint_steps=50")
    words = [word for setting in settings for word in ("--set", setting)]
    assert moft("train", config, "--out", tmp_path / "run", "--resume", *words).code == 0
    record = json.loads((tmp_path / "run" / "front.json").read_text())
    assert (record["split"], "5 samples" in record["intervals"], len(record["points"])) == ("validation", True, 5)
    assert record["cost"] == json.loads((finished / "front.json").read_text())["cost"]
    assert load((tmp_path / "run" / "config.yaml").read_text())["profile"]["split"] == "validation"
    assert learned(tmp_path / "run")[0] == learned(finished)[0]
    assert steps(tmp_path / "run") == steps(finished)


def test_where_nothing_lies_beyond_the_reference_point_the_run_says_what_weights_it_keeps(config, moft, tmp_path):
    said = moft("train", config, "--out", tmp_path / "run", "--set", "profile.reference=[2, 2]")
    assert said.code == 0
    assert any("moft: note: The hypervolume on the validation split was zero" in line for line in said.mistakes)
    notes = json.loads((tmp_path / "run" / "notes.json").read_text())
    assert [
        note
        for note in notes
        if note.startswith("The hypervolume on the validation split was zero or missing at every evaluation")
    ]


def test_a_reference_point_too_far_away_is_refused_before_training(config, moft, tmp_path):
    said = moft("train", config, "--out", tmp_path / "run", "--set", "profile.reference=[-1e308, 0]")
    assert (said.code, len(said.mistakes)) == (2, 1)
    assert "[profile.reference] has values beyond 1e+30, [-1e+308, 0.0]; a hypervolume would overflow." in said.mistakes[0]
    assert not (tmp_path / "run").exists()


def test_the_reference_of_validation_has_a_value_for_each_objective(config, moft, tmp_path):
    said = moft("train", config, "--out", tmp_path / "run", "--set", "profile.validation_reference=[2]")
    assert (said.code, len(said.mistakes)) == (2, 1)
    assert "[profile.validation_reference] has 1 values, [2.0], for 2 objectives" in said.mistakes[0]


FAILING = """
import torch
from moft import Component, hookimpl
from moft.api import Loss

class Failing:
    def __init__(self, *, after: int = 0) -> None:
        self.left = after

    def __call__(self, rewards, labels, mask):
        cost = -(labels * rewards.masked_fill(~mask, 0.0)).sum(-1).tanh()
        if rewards.requires_grad and rewards.grad_fn is not None and torch.is_grad_enabled():
            self.left -= 1
        if self.left < 0:
            bad = torch.zeros_like(cost)
            bad[0] = torch.nan
            cost = cost + bad
        return cost

@hookimpl
def moft_losses():
    yield Component("failing", Failing, "is not a number after a while")
"""


@pytest.fixture
def failing(config, tmp_path) -> Callable[[int], list[str]]:
    """The words that train with a loss that stops being a number after so many calls."""
    (tmp_path / "failing.py").write_text(FAILING)

    def words(after):
        settings = (
            f"plugins=[{tmp_path / 'failing.py'}]",
            f"method.loss={{name: failing, after: {after}}}",
            "method.balance=none",
        )
        return ["train", str(config), *(word for setting in settings for word in ("--set", setting))]

    return words


def test_a_loss_that_is_no_number_stops_the_run_and_leaves_the_last_checkpoint(failing, moft, tmp_path, match, steps):
    said = moft(*failing(6), "--out", tmp_path / "run")
    assert (said.code, len(said.mistakes)) == (2, 1)
    assert match(r"job 'policy', step \d+: loss nan .* is not finite, on query \d+ of the training split", said.mistakes[0])
    kept = sorted((tmp_path / "run" / "checkpoints" / "policy").iterdir())
    last = int(kept[-1].name.removeprefix("step-"))
    assert f"step {last + 1}:" in said.mistakes[0]
    assert steps(tmp_path / "run")[-1]["step"] == last
    assert all(value.isfinite().all() for value in load_tensors(kept[-1] / "weights.safetensors").values())
    assert not (tmp_path / "run" / "policy").exists()


def test_an_absurd_rate_stops_the_run(config, moft, tmp_path, match):
    words = ("--set", "trainer.learning_rate=1e38", "--set", "trainer.warmup=0", "--set", "task.base={name: scores, column: 1}")
    said = moft("train", config, "--out", tmp_path / "run", *words)
    assert (said.code, len(said.mistakes)) == (2, 1)
    told = r"job 'policy', step \d+: .* is not finite, on queries .* start a new run with a lower trainer\.learning_rate\.$"
    assert match(told, said.mistakes[0])


@pytest.mark.slow
def test_a_truncated_checkpoint_is_told_and_the_one_before_it_serves(failing, config, finished, moft, tmp_path, learned):
    whole, run = tmp_path / "whole", tmp_path / "run"
    assert moft(*failing(10**6), "--out", whole).code == 0
    assert moft(*failing(8), "--out", run).code == 2
    resumed = [word.replace("after: 8", f"after: {10**6}") for word in failing(8)]
    config_file = run / "config.yaml"
    config_file.write_text(config_file.read_text().replace("after: 8", f"after: {10**6}"))
    for state in run.rglob("state.json"):  # the change above is no change of what was learned so far
        fingerprint = json.loads(next(whole.rglob("state.json")).read_text())["fingerprint"]
        state.write_text(json.dumps({**json.loads(state.read_text()), "fingerprint": fingerprint}))
    newest = max((run / "checkpoints" / "policy").iterdir())
    damaged = newest / "optimizer.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    said = moft(*resumed, "--out", run, "--resume")
    assert (said.code, len(said.mistakes)) == (2, 1)
    assert f"{damaged}: is cut short" in said.mistakes[0]
    assert f"Remove {newest} to resume from the one before it." in said.mistakes[0]
    shutil.rmtree(newest)
    assert moft(*resumed, "--out", run, "--resume").code == 0
    assert learned(run) == learned(whole)


def test_a_checkpoint_of_another_run_is_refused(config, finished, failing, moft, tmp_path, match):
    run = tmp_path / "run"
    assert moft(*failing(4), "--out", run).code == 2
    shutil.rmtree(run / "checkpoints" / "base")
    shutil.copytree(finished / "checkpoints" / "base", run / "checkpoints" / "base")
    said = moft(*failing(4), "--out", run, "--resume")
    assert (said.code, len(said.mistakes)) == (2, 1)
    assert match("base/finished: was made with another config; remove it", said.mistakes[0])


LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
from moft.cli.app import main
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.001, 1.0])
def test_a_disk_that_fills_up_ends_the_run_in_one_line_and_what_is_kept_resumes(
    share, config, finished, moft, warm, tmp_path, learned
):
    """Files may grow to a share of the largest checkpoint file, as on a disk that fills up."""
    run = tmp_path / "run"
    assert hasattr(resource, "RLIMIT_FSIZE")
    assert hasattr(signal, "SIGXFSZ")
    largest = (finished / "policy" / "policy.safetensors").stat().st_size
    words = ["train", str(config), "--out", str(run), "--resume"]
    ended = subprocess.run([warm, "-c", LIMITED, str(int(share * largest)), *words], capture_output=True, text=True, timeout=120)
    mistakes = [line for line in ended.stderr.splitlines() if line.startswith("moft: ")]
    assert (ended.returncode, len(mistakes)) == (2, 1), ended.stderr
    assert "cannot be written (File too large)" in mistakes[0]
    assert "Traceback" not in ended.stderr
    assert [path for path in tmp_path.rglob(".*") if path.name != ".lock"] == []
    assert run.exists() == (share > 0.1)
    if not run.exists():
        return
    assert moft(*words).code == 0
    assert learned(run) == learned(finished)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in sorted(folder.rglob("*"))}


def test_the_plan_says_how_many_points_are_measured_in_all(config, moft):
    said = moft(
        "train", config, "--plan", "--set", "task.objectives.third={column: 1, transform: min-max}", "--set", "profile.points=11"
    )
    parts = "11 of the grid, at most 9 between vertices for the pictures, the base model"
    counted = f"Measures: 21 points on the test split ({parts}), 20 bootstrap samples"
    assert counted in said.out
    dials = moft("train", config, "--plan", "--set", "profile.dials=[0.5, 1]").out
    assert "Measures: 7 points on the test split (6 of the grid, the base model), 20 bootstrap samples" in dials
    two = moft("train", config, "--plan").out
    assert "Measures: 4 points on the test split (3 of the grid, the base model), 20 bootstrap samples" in two


def test_a_run_that_is_older_than_a_setting_is_resumed_at_its_default(config, finished, moft, tmp_path):
    run = shutil.copytree(finished, tmp_path / "run")
    kept = [line for line in (run / "config.yaml").read_text(encoding="utf-8").splitlines() if "short_lists" not in line]
    (run / "config.yaml").write_text("\n".join(kept), encoding="utf-8")
    assert moft("train", config, "--out", run, "--resume").code == 0
    said = moft("train", config, "--out", run, "--resume", "--set", "task.short_lists=drop")
    assert (said.code, "task.short_lists: 'refuse' there, 'drop' here" in said.mistakes[0]) == (2, True)
