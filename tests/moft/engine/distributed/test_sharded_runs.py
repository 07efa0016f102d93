"""Runs whose models are sharded over two processes: the losses of one process, and files that any number of processes reads."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from pathlib import Path

import pytest
from safetensors.torch import load_file
from torch.testing import assert_close

from moft.engine.training.training_loop import TrainingLoop
from moft.errors import RunError

DRIVER = Path(__file__).with_name("driver.py")
LANGUAGE = """
task:
  name: llm
  model: {model}
  data: {{name: lists, path: {data}}}
  objectives: {{brief: {{}}, calm: {{}}}}
  lora: {{rank: 3, alpha: 8}}
  prompt_tokens: 3
  tokens_per_batch: 512
  gradient_checkpointing: true
method: {{name: cos-dpo, conditioner: [hpt, hyper-lora]}}
trainer: {{epochs: 1, device: cpu, threads: 1, learning_rate: 0.02, gradient_accumulation_steps: 2, evaluations: 1}}
profile:
  evaluator: {{name: generation, scorers: {{brief: length, calm: length}}, prompts: 2, decoding: {{max_new_tokens: 3}}}}
  validation_evaluator: preference
  points: 2
  bootstrap_samples: 20
"""


@pytest.fixture
def together(warm, tmp_path):
    """Has two processes run jobs one after another; gives what became of each job, main process first."""

    def run(*jobs, imports=()):
        (tmp_path / "jobs.json").write_text(json.dumps([{"port": free_port(), **job} for job in jobs]), encoding="utf-8")
        words = [warm, "-c", f"import runpy; runpy.run_path({str(DRIVER)!r}, run_name='__main__')", str(tmp_path), *imports]
        done = subprocess.run(words, stderr=subprocess.PIPE, text=True, timeout=300, check=False)
        told = [tmp_path / f"told-{rank}.json" for rank in range(2)]
        assert all(path.exists() for path in told), done.stderr
        assert "destroy_process_group" not in done.stderr
        return list(zip(*(json.loads(path.read_text(encoding="utf-8")) for path in told), strict=True))

    return run


@pytest.mark.slow
def test_a_language_model_learns_the_same_alone_copied_and_sharded(
    together, moft, steps, tiny_models, made_up_lists, monkeypatch, tmp_path
):
    made_up_lists(tmp_path / "lists.jsonl")
    config = tmp_path / "small.yaml"
    config.write_text(LANGUAGE.format(model=tiny_models(), data=tmp_path / "lists.jsonl"), encoding="utf-8")
    monkeypatch.setenv("MOFT_CACHE", str(tmp_path / "cache-one"))
    assert moft("train", config, "--out", tmp_path / "one").code == 0
    words = {"copied": [], "sharded": ["--set", "trainer.sharding=full"]}
    ended = together(
        *(
            {"words": ["train", str(config), "--out", str(tmp_path / name), *more], "cache": str(tmp_path / f"cache-{name}")}
            for name, more in words.items()
        ),
        imports=["peft", "transformers.models.llama.modeling_llama"],
    )
    for name, (main, other) in zip(words, ended, strict=True):
        assert main["code"] == other["code"] == 0, main["err"] + other["err"]
        assert (other["out"], other["err"]) == ("", ""), "only the main process has something to say"
        same_run(tmp_path / "one", tmp_path / name, steps)
        assert cached(tmp_path / f"cache-{name}") == cached(tmp_path / "cache-one")
    shares = [here / whole for process in ended[1] for whole, here in process["bytes"]]
    assert len(shares) >= 4, "at least the reference and the policy, in each process"
    assert shares == pytest.approx([0.5] * len(shares), abs=0.01)


@pytest.mark.slow
def test_a_job_goes_on_with_another_number_of_processes(together, config, moft, steps, monkeypatch, tmp_path):
    words = ["train", str(config), "--resume", "--set", "trainer.epochs=3"]
    shard = ["--set", "trainer.sharding=full"]
    assert moft(*words, "--out", tmp_path / "one").code == 0
    last = len(steps(tmp_path / "one"))
    begun = base_steps(steps(tmp_path / "one"))
    stop = begun + (last - begun) // 2
    with monkeypatch.context() as patch:
        plain = TrainingLoop._step
        patch.setattr(
            TrainingLoop, "_step", lambda loop, *given: stopped() if done_with(loop, stop - begun) else plain(loop, *given)
        )
        assert moft(*words, "--out", tmp_path / "to-two").code == 2
    cache = {"cache": os.environ["MOFT_CACHE"]}
    ended = together(
        {"words": [*words, *shard, "--out", str(tmp_path / "to-two")], **cache},
        {"words": [*words, *shard, "--out", str(tmp_path / "to-one")], **cache, "steps": stop - begun, "late": 2},
    )  # the late one finds the folder that the main process has made, and still knows that the run is new
    assert [process["code"] for process in ended[0]] == [0, 0], ended[0]
    assert [process["code"] for process in ended[1]] == [2, 2], ended[1]
    assert [process["held"] for job in ended for process in job] == [[0]] * 4, "a model that is freed later may hang its process"
    assert moft(*words, "--out", tmp_path / "to-one").code == 0
    for name in ("to-two", "to-one"):
        same_run(tmp_path / "one", tmp_path / name, steps, atol=1e-3)  # of a bias that moves nothing, and learns from rounding


def done_with(loop, steps):
    """Whether the policy's job has taken so many steps."""
    return loop.job.name == "policy" and loop.progress.step >= steps


def stopped():
    raise RunError("stopped by the test")


def base_steps(journal):
    """How many steps were those of the base ranker."""
    return sum(line["job"] != "policy" for line in journal)


def same_run(expected, found, steps, atol=1e-5):
    """Fails unless two runs took the same steps and ended with the same weights, up to rounding, in files of the same names."""
    one, two = steps(expected), steps(found)
    assert len(one) == len(two)
    for expected_step, found_step in zip(one, two, strict=True):
        assert found_step.pop("job") == expected_step.pop("job")
        assert found_step == pytest.approx(expected_step, rel=1e-5, abs=1e-5)
    policies = [load_file(run / "policy" / "policy.safetensors") for run in (expected, found)]
    assert_close(policies[1], policies[0], rtol=1e-4, atol=atol)
    fronts = [json.loads((run / "front.json").read_text(encoding="utf-8")) for run in (expected, found)]
    for before, after in zip(*(front["points"] for front in fronts), strict=True):
        assert after["values"] == pytest.approx(before["values"], abs=1e-5)
    assert files(expected) == files(found)


def files(run):
    """Names of every file of a run."""
    return sorted(str(path.relative_to(run)) for path in run.rglob("*") if path.is_file())


def cached(folder):
    """Names of the reference scores in a cache."""
    return sorted(path.name for path in (folder / "reference").iterdir())


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
