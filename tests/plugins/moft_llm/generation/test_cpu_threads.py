"""Threads of the CPU: as asked, as in training, or one for a small model."""

from __future__ import annotations

import shutil

import pytest
import torch
from torch import nn

from moft_llm.generation.cpu_threads import SMALL, use_threads


@pytest.fixture(autouse=True)
def _three_threads():
    """Stands for torch's own choice; the suite goes back to one afterwards."""
    torch.set_num_threads(3)


@pytest.mark.parametrize(("asked", "trained", "expected"), [(None, None, 1), (None, 2, 2), (4, 2, 4), (4, None, 4)])
def test_the_user_decides_then_training_then_the_size(asked, trained, expected):
    use_threads(asked, trained, nn.Linear(2, 2))
    assert torch.get_num_threads() == expected


def test_a_large_model_keeps_the_choice_of_torch():
    model = nn.Module()
    model.weight = nn.Parameter(torch.empty(1).expand(SMALL))
    use_threads(None, None, model)
    assert torch.get_num_threads() == 3


@pytest.mark.slow
@pytest.mark.parametrize("command", ["generate", "export"])
def test_the_commands_take_the_option_or_what_is_fast(command, tuned, moft, tmp_path):
    run = shutil.copytree(tuned(), tmp_path / "run")
    where = [run, "Day 1: "] if command == "generate" else [run, tmp_path / "out"]
    words = [command, *where, "--weights", "0.5,0.5"]
    assert moft(*words, *(["--max-new-tokens", 2] if command == "generate" else [])).code == 0
    assert torch.get_num_threads() == 1
    shutil.rmtree(tmp_path / "out", ignore_errors=True)
    assert moft(*words, "--threads", 2).code == 0
    assert torch.get_num_threads() == 2
    config = (run / "config.yaml").read_text()
    assert "threads: null" in config
    (run / "config.yaml").write_text(config.replace("threads: null", "threads: 2"))
    torch.set_num_threads(3)
    shutil.rmtree(tmp_path / "out", ignore_errors=True)
    assert moft(*words).code == 0
    assert torch.get_num_threads() == 2


def test_sampling_takes_the_option_or_what_is_fast(tiny_models, moft, tmp_path):
    (tmp_path / "prompts.txt").write_text("sun\n")
    words = ["data", "sample", tiny_models(), tmp_path / "prompts.txt", "--scorer", "short=brevity", "--max-new-tokens", 4]
    assert moft(*words, "--out", tmp_path / "a.jsonl").code == 0
    assert torch.get_num_threads() == 1
    assert moft(*words, "--out", tmp_path / "b.jsonl", "--threads", 2).code == 0
    assert torch.get_num_threads() == 2
    assert moft(*words, "--out", tmp_path / "c.jsonl", "--threads", 0).code == 2
