"""Where memory runs out: one line with how much was asked for, and what takes less."""

from __future__ import annotations

import pytest
import torch

from moft.errors import PluginError
from moft.run.checks.out_of_memory import memory_fault

ON_GPU = "CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 79.15 GiB of which 1.2 GiB is free."
ON_CPU = (
    "[enforce fail at alloc_cpu.cpp:128] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate "
    "107374182400 bytes. Error code 12 (Cannot allocate memory)"
)
LOSS = """
import torch
from moft import Component, hookimpl

class Large:
    def __call__(self, rewards, labels, mask):
        if rewards.requires_grad and torch.is_grad_enabled():
            raise torch.OutOfMemoryError({said!r})
        return rewards.sum(-1)

@hookimpl
def moft_losses():
    yield Component("large", Large, "takes too much")
"""


def with_cause(error, cause):
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (torch.OutOfMemoryError(ON_GPU), "out of memory (2.50 GiB more were requested)"),
        (RuntimeError(ON_CPU), "out of memory (100.00 GiB more were requested)"),
        (MemoryError(), "out of memory"),
        (with_cause(PluginError("loss Large failed"), RuntimeError(ON_CPU)), "out of memory (100.00 GiB more were requested)"),
        (RuntimeError("shapes"), None),
        (KeyboardInterrupt(), None),
    ],
)
def test_what_ran_out_is_memory_where_torch_or_python_says_so(error, told):
    assert memory_fault(error) == told


def test_a_run_that_is_short_of_memory_says_what_to_lower_and_leaves_nothing(config, moft, tmp_path):
    (tmp_path / "mine.py").write_text(LOSS.format(said=ON_GPU))
    run = tmp_path / "run"
    settings = (
        f"plugins=[{tmp_path / 'mine.py'}]",
        "method.loss=large",
        "method.balance=none",
        "task.base={name: scores, column: 1}",
    )
    said = moft("train", config, "--out", run, *(word for one in settings for word in ("--set", one)))
    assert said.code == 2
    assert said.mistakes == [
        f"moft: error: {run}: out of memory (2.50 GiB more were requested). Train anew with smaller batches: lower "
        "task.items_per_batch (64) and raise trainer.gradient_accumulation_steps by the same factor, "
        "or set trainer.models_at_once: 1."
    ]
    assert not run.exists()


def test_a_command_that_is_short_of_memory_is_one_line(finished, moft, monkeypatch):
    def full(*arguments, **settings):
        raise torch.OutOfMemoryError(ON_GPU)

    monkeypatch.setattr("moft.run.policy.open_run.open_run", full)
    said = moft("profile", finished)
    assert (said.code, len(said.mistakes)) == (2, 1)
    assert said.mistakes[0].startswith("moft: error: out of memory (2.50 GiB more were requested): use a smaller --batch")
