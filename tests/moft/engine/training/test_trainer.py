"""The training loop: means over lists, exact resume, the best weights, and a stop when numbers stop being finite."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from moft.engine.policies.item_mlp import ItemNetwork
from moft.engine.training.jobs.job_records import JobState, NoRecords
from moft.engine.training.trainer import AccelerateTrainer
from moft.engine.training.trainer_settings import TrainerSettings
from moft.errors import RunError
from moft.interfaces import Context
from moft.testing.toy_task_and_policy import FEATURES, ToyTask
from moft.types import Batch, Batches, Injection, Nouns

SETTINGS = TrainerSettings(epochs=3, evaluations=0, device="cpu", checkpoint_steps=1)


class Killed(Exception):
    """Stands for a process that dies."""


class Memory(NoRecords):
    """Keeps records in memory, and dies at a step when told to."""

    def __init__(self, dies_at: int | None = None) -> None:
        self.states: dict[str, JobState] = {}
        self.done: dict[str, Mapping[str, torch.Tensor]] = {}
        self.values: list[Mapping[str, float | str]] = []
        self.dies_at = dies_at

    def finished(self, job):
        return self.done.get(job)

    def latest(self, job):
        return self.states.get(job)

    def save(self, job, state):
        self.states[job] = state

    def finish(self, job, weights, account):
        self.done[job] = weights

    def step(self, step, values):
        if step == self.dies_at:
            raise Killed
        self.values.append(values)


class UniformSampler:
    """Draws that matter for the loss, so that a resume that forgets the generator is seen."""

    def draw(self, count, generator):
        return torch.rand(count, 2, generator=generator)

    def grid(self, points):
        return torch.eye(2)


def _task(items: int = 64) -> ToyTask:
    return ToyTask(Context(torch.device("cpu"), 0, None), items_per_batch=items)  # type: ignore[arg-type]


def _trained(
    settings: TrainerSettings, records: Memory, *, resume: bool = False, items: int = 64, draws: bool = True
) -> nn.Module:
    task = _task(items)
    torch.manual_seed(7)
    model = ItemNetwork(FEATURES, 2)
    trainer = AccelerateTrainer(settings, seed=3, records=records, resume=resume)

    def loss_of(batch: Batch) -> torch.Tensor:
        scores = model(batch.inputs, Injection()).masked_fill(~batch.items, -1e4)
        weights = trainer.draw(UniformSampler())[:, 0] if draws else torch.ones(len(batch), 2)
        costs = -(batch.labels.masked_fill(~batch.mask, -1e4).softmax(1) * scores.log_softmax(1).unsqueeze(-1)).sum(1)
        return (weights * costs).sum(-1)

    trainer.minimise("job", model, lambda generator: task.batches("train", generator), loss_of)
    return model


def test_a_job_killed_at_any_step_resumes_to_the_same_bits():
    whole = Memory()
    expected = _trained(SETTINGS, whole).state_dict()
    steps = len(whole.values)
    assert steps > 6
    for dies_at in range(1, steps + 1):
        records = Memory(dies_at)
        with pytest.raises(Killed):
            _trained(SETTINGS, records)
        records.dies_at = None
        found = _trained(SETTINGS, records, resume=True).state_dict()
        for name, value in expected.items():
            assert found[name].equal(value), f"{name} differs after a stop at step {dies_at}"


def test_a_finished_job_is_loaded_and_not_trained_again():
    records = Memory()
    expected = _trained(SETTINGS, records).state_dict()
    steps = len(records.values)
    found = _trained(SETTINGS, records, resume=True).state_dict()
    assert len(records.values) == steps
    assert all(found[name].equal(value) for name, value in expected.items())


def test_the_loss_decreases_and_progress_ends_at_one():
    records = Memory()
    _trained(replace(SETTINGS, epochs=20, learning_rate=1e-2), records, draws=False)
    losses = [values["loss"] for values in records.values]
    per_epoch = len(losses) // 20
    assert sum(losses[-per_epoch:]) < 0.95 * sum(losses[:per_epoch])
    assert records.values[-1]["progress"] == 1.0


def test_accumulating_small_batches_weighs_every_list_alike():
    gradients = []
    for settings, items in ((SETTINGS, 10_000), (replace(SETTINGS, gradient_accumulation_steps=1000), 24)):
        records = Memory()
        _trained(replace(settings, epochs=1, max_grad_norm=None), records, items=items, draws=False)
        assert len(records.values) == 1
        gradients.append(records.values[0])
    assert_close(gradients[0]["loss"], gradients[1]["loss"], rtol=1e-5, atol=0)
    assert_close(gradients[0]["gradient"], gradients[1]["gradient"], rtol=1e-5, atol=0)


@pytest.mark.parametrize(("values", "kept"), [([1.0, 3.0, 2.0, 0.0], 1), ([0.0, 0.0, 0.0, 0.0], 3), ([2.0, 0.0, 2.0, 1.0], 2)])
def test_the_weights_of_the_best_evaluation_are_kept_of_equal_ones_the_last(values, kept):
    task, seen = _task(), []
    model = ItemNetwork(FEATURES, 2)
    trainer = AccelerateTrainer(replace(SETTINGS, epochs=4, evaluations=4), seed=0)
    scores = iter(values)

    def evaluate() -> dict[str, float]:
        seen.append(model.input.weight.detach().clone())
        return {"score": next(scores)}

    trainer.minimise(
        "job",
        model,
        lambda generator: task.batches("train", generator),
        lambda batch: (
            model(batch.inputs, Injection()).square().sum(-1) + (batch.labels[..., 0] - model.input.weight.sum()).square().sum(-1)
        ),
        evaluate=evaluate,
        best="score",
    )
    assert len(seen) == 4
    assert model.input.weight.equal(seen[kept])


@pytest.mark.parametrize("epochs", [1, 3, 7])
@pytest.mark.parametrize("evaluations", [1, 2, 5])
def test_evaluations_are_spread_and_include_the_last_epoch(epochs, evaluations):
    task, count = _task(), []
    model = ItemNetwork(FEATURES, 2)
    trainer = AccelerateTrainer(replace(SETTINGS, epochs=epochs, evaluations=evaluations), seed=0)
    trainer.minimise(
        "job",
        model,
        lambda generator: task.batches("train", generator),
        lambda batch: model(batch.inputs, Injection()).square().sum(-1),
        evaluate=lambda: {"score": float(count.append(1) or len(count))},
        best="score",
    )
    assert len(count) == min(epochs, evaluations)


def test_a_loss_that_is_not_finite_stops_the_job_and_names_step_and_lists():
    task, records = _task(), Memory()
    model = ItemNetwork(FEATURES, 2)
    trainer = AccelerateTrainer(SETTINGS, seed=0, records=records, nouns=Nouns("query", "document"))
    bad = int(next(iter(task.batches("train"))).lists[0])

    def loss_of(batch: Batch) -> torch.Tensor:
        cost = model(batch.inputs, Injection()).square().sum(-1)
        return cost + torch.where(batch.lists == bad, torch.nan, 0.0)

    with pytest.raises(RunError, match=rf"job 'job', step \d+: loss nan .* on query {bad} of the training split") as error:
        trainer.minimise("job", model, lambda generator: task.batches("train", generator), loss_of)
    assert "\n" not in str(error.value)
    assert all(value.isfinite().all() for value in model.state_dict().values())


def test_the_learning_rate_rises_then_falls_towards_zero():
    records = Memory()
    _trained(replace(SETTINGS, epochs=10, warmup=0.2, learning_rate=1.0, schedule="cosine"), records, draws=False)
    rates = [values["learning_rate"] for values in records.values]
    top = rates.index(max(rates))
    assert 0 < top < len(rates) - 1
    assert rates == sorted(rates[: top + 1]) + sorted(rates[top + 1 :], reverse=True)
    assert 0 < rates[-1] < 1e-3, "no step is without effect"


def test_a_run_of_one_step_trains():
    records = Memory()
    torch.manual_seed(7)
    before = ItemNetwork(FEATURES, 2).state_dict()
    after = _trained(replace(SETTINGS, epochs=1), records, items=10_000, draws=False).state_dict()
    assert len(records.values) == 1
    assert not all(after[name].equal(value) for name, value in before.items())


def test_batches_know_how_many_lists_they_cover():
    batches = Batches([torch.tensor([0, 2]), torch.tensor([1])], lambda lists: lists)  # type: ignore[arg-type, return-value]
    assert (len(batches), batches.lists) == (2, 3)
    assert [lists.tolist() for lists in batches] == [[0, 2], [1]]
