"""Models trained together: the same as each alone, resumed to the same bits, and accounted for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from moft import PluginError, RunError
from moft.engine.policies.dedicated_models import DedicatedModels
from moft.engine.policies.item_mlp import ItemNetwork
from moft.engine.training.ensemble.cpu_threads import CpuThreads
from moft.engine.training.ensemble.ensemble_memory import models_that_fit
from moft.engine.training.jobs.job_records import JobState, TrainingCost
from moft.engine.training.trainer import AccelerateTrainer
from moft.engine.training.trainer_settings import TrainerSettings
from moft.engine.training.training_clock import TrainingClock
from moft.engine.training.training_loop import TrainingLoop
from moft.interfaces import Context
from moft.testing.toy_task_and_policy import FEATURES, ToyTask
from moft.types import Batch

SETTINGS = TrainerSettings(epochs=3, learning_rate=1e-2, device="cpu", checkpoint_steps=1, evaluations=3, max_grad_norm=0.05)
FREE_BYTES = "moft.engine.training.ensemble.ensemble_memory._free_bytes"
WEIGHTS = torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])


class Killed(Exception):
    pass


class Memory:
    """Records in memory, which can stop the job at a step."""

    def __init__(self, dies_at: int | None = None) -> None:
        self.states: dict[str, JobState] = {}
        self.done: dict[str, Mapping[str, torch.Tensor]] = {}
        self.costs: dict[str, TrainingCost] = {}
        self.values: list[Mapping[str, Any]] = []
        self.forgotten: list[str] = []
        self.dies_at = dies_at

    def finished(self, job):
        return self.done.get(job)

    def latest(self, job):
        return self.states.get(job)

    def save(self, job, state):
        self.states[job] = state

    def finish(self, job, weights, account):
        self.done[job], self.costs[job] = weights, account

    def forget(self, job):
        self.states.pop(job, None)
        self.forgotten.append(job)

    def step(self, step, values):
        if self.dies_at is not None and len(self.values) + 1 >= self.dies_at:
            raise Killed
        self.values.append(values)

    def note(self, text):
        return None


def costs(scores: torch.Tensor, batch: Batch, weights: torch.Tensor) -> torch.Tensor:
    """`[k, batch]`, weighted ListNet losses of scores `[k, batch, list]`."""
    hidden = scores.masked_fill(~batch.items, -1e4).log_softmax(-1)
    targets = batch.labels.masked_fill(~batch.mask, -1e4).softmax(1)  # [batch, list, m]
    return -torch.einsum("kbl,blm,km->kb", hidden, targets, weights)


def trained(records: Memory, *, resume: bool = False, count: int = 3, broken: int | None = None, **changes: Any) -> nn.ModuleList:
    """Three models of one start, each for its own weights; an evaluation says that the second one is best at the start."""
    task = ToyTask(Context(torch.device("cpu"), 0, None))
    torch.manual_seed(7)
    plain = DedicatedModels(ItemNetwork(FEATURES, 2), count)
    trainer = AccelerateTrainer(replace(SETTINGS, **changes), seed=3, records=records, resume=resume)
    seen: list[int] = []

    def losses_of(batch: Batch, models: Any) -> torch.Tensor:
        found = costs(plain.corrections(batch, models), batch, WEIGHTS[list(models)])
        for row, index in enumerate(models):
            if index == broken:
                found = found.clone()
                found[row] = found[row] * math.nan
        return found

    def evaluate(models: Any) -> list[dict[str, float]]:
        seen.append(len(models))
        norms = [sum(p.detach().norm().item() for p in plain.models[index].parameters()) for index in models]
        return [{"value": -norm if index == 1 else norm} for index, norm in zip(models, norms, strict=True)]

    trainer.minimise_each(
        "job", plain.models, lambda generator: task.batches("train", generator), losses_of, evaluate=evaluate, best="value"
    )
    return plain.models


def test_together_is_the_same_as_one_after_another():
    together, separate = Memory(), Memory()
    one, other = trained(together), trained(separate, models_at_once=1)
    assert list(together.done) == ["job"]
    assert list(separate.done) == ["job-1-of-3", "job-2-of-3", "job-3-of-3"]
    for left, right in zip(one, other, strict=True):
        for (name, value), expected in zip(left.state_dict().items(), right.state_dict().values(), strict=True):
            assert_close(value, expected, rtol=0, atol=1e-6, msg=name)
    for index, values in enumerate(together.values):
        steps = len(together.values)
        alone = [separate.values[model * steps + index]["loss"] for model in range(3)]
        assert values["loss"] == pytest.approx(sum(alone) / 3, abs=1e-6)


def test_two_cores_give_the_same_as_one():
    one = trained(Memory())
    torch.set_num_threads(2)
    other = trained(Memory())
    for left, right in zip(one, other, strict=True):
        for value, expected in zip(left.state_dict().values(), right.state_dict().values(), strict=True):
            assert_close(value, expected, rtol=0, atol=1e-6)
    assert torch.get_num_threads() == 2


def test_one_stacked_forward_trains_with_the_same_losses(monkeypatch):
    turns, stacked = Memory(), Memory()
    trained(turns)
    monkeypatch.setattr(TrainingLoop, "uses_cpu_ensemble", property(lambda self: False))
    trained(stacked)
    assert [v["loss"] for v in stacked.values] == pytest.approx([v["loss"] for v in turns.values], abs=1e-5)
    assert [v["gradient"] for v in stacked.values] == pytest.approx([v["gradient"] for v in turns.values], rel=1e-3)


def test_every_model_keeps_its_own_best_weights():
    last, best = trained(Memory(), evaluations=0), trained(Memory())
    norms = [[sum(p.detach().norm() for p in model.parameters()) for model in models] for models in (last, best)]
    assert norms[1][1] < norms[0][1], "the second model is best where its parameters are smallest"
    assert norms[1][0] == norms[0][0], "the first is best at the end"


def test_a_gradient_is_clipped_for_each_model_alone():
    whole, alone = Memory(), Memory()
    trained(whole, epochs=1)
    trained(alone, epochs=1, models_at_once=1)
    assert whole.values[0]["gradient"] == pytest.approx(
        max(v["gradient"] for v in alone.values if v["epoch"] == 1 and v["lists"] == whole.values[0]["lists"]), rel=1e-5
    )


def test_jobs_killed_at_any_step_resume_to_the_same_bits():
    whole = Memory()
    expected = trained(whole).state_dict()
    for dies_at in range(1, len(whole.values) + 1, 2):
        records = Memory(dies_at)
        with pytest.raises(Killed):
            trained(records)
        records.dies_at = None
        found = trained(records, resume=True).state_dict()
        assert all(found[name].equal(value) for name, value in expected.items()), f"after a stop at step {dies_at}"


def test_groups_that_are_finished_are_not_trained_again():
    records = Memory()
    expected = trained(records, models_at_once=2).state_dict()
    steps = len(records.values)
    assert list(records.done) == ["job-1-to-2-of-3", "job-3-of-3"]
    found = trained(records, models_at_once=2, resume=True).state_dict()
    assert len(records.values) == steps
    assert all(found[name].equal(value) for name, value in expected.items())


@pytest.mark.parametrize(("before", "after"), [(2, 1), (1, 2), (2, 3), (3, 1), (None, 2), (1, None)])
@pytest.mark.parametrize("dies_at", [1, 7, 13])
def test_resumed_in_groups_of_another_size_all_models_are_trained_as_before(before, after, dies_at):
    expected = trained(Memory()).state_dict()
    records = Memory(dies_at)
    with suppress(Killed):
        trained(records, models_at_once=before)
    records.dies_at = None
    found = trained(records, models_at_once=after, resume=True).state_dict()
    for name, value in expected.items():
        assert_close(found[name], value, rtol=0, atol=1e-6, msg=name)


def test_a_finished_group_is_kept_whatever_size_is_asked_for():
    records = Memory()
    expected = trained(records).state_dict()
    steps = len(records.values)
    found = trained(records, models_at_once=1, resume=True).state_dict()
    assert len(records.values) == steps
    assert all(found[name].equal(value) for name, value in expected.items())


def test_a_group_that_is_not_gone_on_with_is_forgotten():
    records = Memory(dies_at=5)
    with pytest.raises(Killed):
        trained(records)
    records.dies_at = None
    trained(records, models_at_once=2, resume=True)
    assert records.forgotten == ["job"]
    assert list(records.done) == ["job-1-to-2-of-3", "job-3-of-3"]


def test_a_checkpoint_of_fewer_models_is_refused():
    records = Memory()
    trained(records)
    weights = records.done["job"]
    records.done["job"] = {name: value for name, value in weights.items() if not name.startswith("2.")}
    with pytest.raises(RunError, match=r"^job 'job': its checkpoint is of another model: it lacks '2\."):
        trained(records, resume=True)


def test_the_account_says_jobs_parameters_and_both_times():
    together, separate = Memory(), Memory()
    models = trained(together)
    trained(separate, models_at_once=1)
    account, sum_of = together.costs["job"], sum(separate.costs.values(), TrainingCost())
    assert account.jobs == sum_of.jobs == 3
    assert account.parameters == sum_of.parameters == sum(p.numel() for p in models.parameters())
    assert account.seconds > 0
    assert sum_of.separate_seconds == sum_of.seconds
    assert 0 < account.separate_seconds < math.inf


def test_the_estimate_scales_steps_and_evaluations_by_what_one_model_took():
    clock = TrainingClock(torch.device("cpu"))
    clock.spent = {
        "steps": 10.0,
        "steps, timed together": 2.0,
        "steps, timed alone": 1.0,
        "evaluations": 4.0,
        "evaluations, timed together": 1.0,
        "evaluations, timed alone": 0.5,
    }
    assert clock.cost(3, 7) == TrainingCost(3, 14.0, 3 * (10.0 * 0.5 + 4.0 * 0.5), 7)
    assert clock.cost(1, 7) == TrainingCost(1, 14.0, 14.0, 7)
    del clock.spent["steps, timed alone"]
    assert math.isnan(clock.cost(3, 7).separate_seconds)


def test_a_loss_that_is_not_finite_names_the_model_and_the_lists():
    with pytest.raises(RunError, match=r"job 'job', model 2 of 3, step 1: loss nan .* on lists \d+"):
        trained(Memory(), broken=1)


def test_threads_give_every_result_in_order_and_restore_the_thread_count():
    torch.set_num_threads(2)
    threads = CpuThreads([nn.Linear(2, 2) for _ in range(5)])
    assert threads.map(lambda index: index * index, 5) == [0, 1, 4, 9, 16]
    assert set(threads.map(lambda index: torch.get_num_threads(), 5)) == {1}
    assert torch.get_num_threads() == 2
    threads.close()


def test_models_that_draw_random_numbers_stay_in_one_thread():
    torch.set_num_threads(2)
    assert CpuThreads([nn.Dropout(0.5), nn.Dropout(0.5)])._pool is None
    assert CpuThreads([nn.Dropout(0.0), nn.Dropout(0.0)])._pool is not None


def test_an_error_in_a_thread_is_raised():
    torch.set_num_threads(2)
    threads = CpuThreads([nn.Linear(1, 1)] * 2)
    with pytest.raises(RunError, match="broken"):
        threads.map(lambda index: (_ for _ in ()).throw(RunError("broken")), 2)
    assert torch.get_num_threads() == 2


def test_as_many_models_are_trained_together_as_memory_allows(monkeypatch):
    model = nn.Linear(1000, 1, bias=False)
    inputs = torch.ones(50, 1000, requires_grad=True)
    saved = inputs.nbytes + model.weight.nbytes
    need = 5 * model.weight.nbytes + 2 * saved
    for models in (1, 2, 3):
        monkeypatch.setattr(FREE_BYTES, lambda device, models=models: 2 * need * models + 100)
        found = models_that_fit([model] * 3, [lambda: model(inputs).exp().sum()], torch.device("cpu"))
        assert found in (models, max(1, models - 1))
    monkeypatch.setattr(FREE_BYTES, lambda device: 0)
    assert models_that_fit([model] * 3, [lambda: model(inputs).sum()], torch.device("cpu")) == 1
    monkeypatch.setattr(FREE_BYTES, lambda device: 10**12)
    assert models_that_fit([model] * 3, [lambda: model(inputs).sum()], torch.device("cpu")) == 3


def test_models_that_are_trained_together_cannot_draw():
    task = ToyTask(Context(torch.device("cpu"), 0, None))
    plain = DedicatedModels(ItemNetwork(FEATURES, 2), 2)
    trainer = AccelerateTrainer(SETTINGS, seed=0)

    def losses_of(batch: Batch, models: Any) -> torch.Tensor:
        trainer.draw(None)
        return plain.corrections(batch, models).sum(-1)

    told = r"^Trainer\.draw can only be called within the `loss_of` that Trainer\.minimise was given\.$"
    with pytest.raises(PluginError, match=told):
        trainer.minimise_each("job", plain.models, lambda generator: task.batches("train", generator), losses_of)


@pytest.mark.parametrize("dies_at", [None, 5])
def test_a_resumed_run_keeps_its_group_whatever_memory_there_is_now(dies_at, monkeypatch):
    whole, records = Memory(), Memory(dies_at)
    expected = trained(whole).state_dict()
    if dies_at is None:
        trained(records)
    else:
        with pytest.raises(Killed):
            trained(records)
        records.dies_at = None
    monkeypatch.setattr(FREE_BYTES, lambda device: 0)
    found = trained(records, resume=True).state_dict()
    assert list(records.done) == ["job"]
    assert all(found[name].equal(value) for name, value in expected.items())
