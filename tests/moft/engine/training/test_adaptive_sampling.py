"""Adaptive samplers in a job: told after each evaluation, resumed to the same bits, refused where nothing follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
import torch
from torch import nn

from moft.engine.policies.item_mlp import ItemNetwork
from moft.engine.training.adaptive_sampling import restore_sampler, sampler_state
from moft.engine.training.jobs.job_records import JobState, NoRecords
from moft.engine.training.trainer import AccelerateTrainer
from moft.engine.training.trainer_settings import TrainerSettings
from moft.errors import ConfigError
from moft.interfaces import Context, Feedback
from moft.testing.toy_task_and_policy import FEATURES, ToyTask
from moft.types import Batch, Injection

SETTINGS = TrainerSettings(epochs=3, evaluations=3, device="cpu", checkpoint_steps=1)


class Killed(Exception):
    """Stands for a process that dies."""


class Memory(NoRecords):
    """Keeps the newest checkpoint, and dies at a step when told to."""

    def __init__(self, dies_at: int | None = None) -> None:
        self.state: JobState | None = None
        self.steps, self.dies_at = 0, dies_at

    def latest(self, job):
        return self.state

    def save(self, job, state):
        self.state = state

    def step(self, step, values):
        if step == self.dies_at:
            raise Killed
        self.steps = step


class Follower:
    """Draws the mean of the values that it was told last, and something of the generator."""

    def __init__(self) -> None:
        self.mean = torch.zeros(2)
        self.told: list[torch.Tensor] = []

    def draw(self, count, generator):
        return self.mean + torch.rand(count, 2, generator=generator)

    def grid(self, points):
        return torch.eye(2)

    def watched_weights(self):
        return torch.eye(2)

    def observe(self, values):
        self.told.append(values)
        self.mean = values.mean(0)

    def state(self) -> Mapping[str, torch.Tensor]:
        return {"mean": self.mean}

    def restore(self, state):
        self.mean = state["mean"]


def _trained(settings: TrainerSettings, records: Memory, *, resume: bool = False) -> tuple[nn.Module, Follower]:
    task = ToyTask(Context(torch.device("cpu"), 0, None), items_per_batch=64)  # type: ignore[arg-type]
    torch.manual_seed(7)
    model, sampler = ItemNetwork(FEATURES, 2), Follower()
    trainer = AccelerateTrainer(settings, seed=3, records=records, resume=resume)

    def loss_of(batch: Batch) -> torch.Tensor:
        scores = model(batch.inputs, Injection()).masked_fill(~batch.items, -1e4)
        return (trainer.draw(sampler)[:, 0].sum(-1) - scores.logsumexp(-1)).square()

    def measure(weights: torch.Tensor) -> torch.Tensor:
        return weights * model.input.weight.detach().mean()

    trainer.minimise(
        "job",
        model,
        lambda generator: task.batches("train", generator),
        loss_of,
        evaluate=lambda: {"score": 0.0},
        feedback=Feedback(sampler, measure),
    )
    return model, sampler


def test_a_sampler_is_told_after_each_evaluation_what_the_model_reaches_there():
    model, sampler = _trained(SETTINGS, Memory())
    assert len(sampler.told) == SETTINGS.evaluations
    assert not sampler.told[0].equal(sampler.told[1])
    assert sampler.told[-1].equal(torch.eye(2) * model.input.weight.detach().mean())


def test_a_job_killed_at_any_step_resumes_with_what_the_sampler_had_learned():
    whole = Memory()
    expected = _trained(SETTINGS, whole)[0].state_dict()
    assert whole.steps > 6
    for dies_at in range(2, whole.steps + 1, 3):
        records = Memory(dies_at)
        with pytest.raises(Killed):
            _trained(SETTINGS, records)
        records.dies_at = None
        found = _trained(SETTINGS, records, resume=True)[0].state_dict()
        for name, value in expected.items():
            assert found[name].equal(value), f"{name} differs after a stop at step {dies_at}"


def test_a_checkpoint_holds_the_state_of_the_sampler_under_names_of_its_own():
    sampler, other = Follower(), Follower()
    sampler.observe(torch.ones(1, 2))
    kept = sampler_state(Feedback(sampler, torch.Tensor.clone)) | {"draws": torch.zeros(1)}
    assert sorted(kept) == ["draws", "sampler.mean"]
    restore_sampler(Feedback(other, torch.Tensor.clone), kept)
    assert other.mean.equal(sampler.mean)
    assert sampler_state(None) == {}


@pytest.mark.parametrize(("epochs", "evaluations"), [(3, 0), (3, 1), (1, 5)])
def test_a_sampler_that_would_be_told_nothing_in_time_is_refused(epochs, evaluations):
    message = rf"\[trainer\.evaluations\] measures nothing before the last of {epochs} epochs, .*; set at least 2, with as many"
    with pytest.raises(ConfigError, match=message):
        _trained(replace(SETTINGS, epochs=epochs, evaluations=evaluations), Memory())
