"""Reference scores that several processes compute together: each a share, which the main one keeps."""

from __future__ import annotations

import os

import pytest
import torch
from torch.testing import assert_close

from moft import ConfigError
from moft.api import AccelerateTrainer, Context, ProcessGroup, TrainerSettings
from moft_llm.data.label_transforms import TextLabel
from moft_llm.data.readers.list_readers import Lists
from moft_llm.task import LLM


class One(ProcessGroup):
    """One process of several, whose sums come without the others' parts."""

    def __init__(self, index, count, is_sharding=False):
        self.index, self.count, self.is_sharding = index, count, is_sharding
        self.sums = []

    def first(self, act):
        return act() if self.index == 0 else None

    def summed(self, values):
        self.sums.append(values.clone())
        return values

    def sharded(self, module):
        return module


@pytest.fixture
def task(tiny_models, made_up_lists, tmp_path):
    """Makes a prepared task for a process, with a cache of its own for each team."""
    made_up_lists(tmp_path / "lists.jsonl")

    def make(process_group, name, **settings):
        context = Context(torch.device("cpu"), 0, tmp_path / name, process_group)
        objectives, data = {"brief": TextLabel()}, Lists(str(tmp_path / "lists.jsonl"))
        made = LLM(context, model=str(tiny_models()), data=data, objectives=objectives, tokens_per_batch=512, **settings)
        made.prepare(AccelerateTrainer(TrainerSettings(device="cpu"), seed=0))
        return made

    return make


def reference(task):
    """Every reference score of the training split, in the order of its batches."""
    return torch.cat([batch.reference.flatten() for batch in task.batches("train")])


def test_shares_of_processes_make_up_the_whole(task, tmp_path, monkeypatch):
    whole, passes = reference(task(One(0, 1), "alone")), []
    plain = LLM._reference_model
    monkeypatch.setattr(LLM, "_reference_model", lambda own: counted(plain(own), passes))
    shares = [reference(task(One(index, 3), f"process-{index}")) for index in range(3)]
    assert_close(sum(shares), whole, rtol=0, atol=0)
    assert (torch.stack(shares) != 0).sum(0).amax() == 1, "no score is computed twice"
    assert len(passes) % 3 == 0, "sharded models need as many passes in each process"
    assert not (tmp_path / "process-1").exists(), "only the main process writes"


def test_a_cache_of_the_main_process_serves_all(task, monkeypatch):
    first = reference(task(One(0, 2), "cache"))
    monkeypatch.setattr(LLM, "_reference_model", lambda own: pytest.fail("computed again"))
    again = One(0, 2)
    assert_close(reference(task(again, "cache")), first, rtol=0, atol=0)
    assert again.sums[0] == 1, "the others are told that nothing is to be computed"


def test_weights_in_4_bits_are_not_sharded(task):
    with pytest.raises(
        ConfigError, match=r"^\[task\.quantization\] 4bit weights cannot be sharded\. Set trainer\.sharding: none"
    ):
        task(One(0, 2, is_sharding=True), "cache", quantization="4bit")


def test_a_base_model_that_is_to_be_sharded_stays_on_the_cpu(task, monkeypatch):
    devices = []
    monkeypatch.setattr("transformers.PreTrainedModel.to", lambda model, device: devices.append(device) or model)
    task(One(0, 1, is_sharding=True), "sharded")
    assert devices == []
    task(One(0, 1), "whole")
    assert devices == [torch.device("cpu")]


def counted(model, passes):
    """The model, which notes every pass."""
    plain = model.reference
    model.reference = lambda inputs: passes.append(1) or plain(inputs)
    return model


def test_cached_scores_follow_the_umask(task, tmp_path):
    before = os.umask(0o027)
    try:
        reference(task(One(0, 1), "cache"))
    finally:
        os.umask(before)
    (kept,) = (tmp_path / "cache").rglob("*.safetensors")
    assert (kept.stat().st_mode & 0o777, kept.parent.stat().st_mode & 0o777) == (0o640, 0o750)
