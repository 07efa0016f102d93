"""Measuring a policy, by evaluators that say how far they are and by others."""

from __future__ import annotations

import pytest
import torch

from moft.engine.fronts.base_model_policy import BasePolicy
from moft.engine.fronts.measure_front import measure_front
from moft.errors import RunError
from moft.interfaces import Context
from moft.testing.toy_task_and_policy import ToyTask
from moft.types import ListValues, Tradeoff

ASKED = Tradeoff(torch.eye(2), torch.ones(1, 2))


class Zeros:
    metric = "none"

    def __call__(self, steered, batches):
        n, lists = len(steered.tradeoff), batches.lists
        return ListValues(torch.zeros(n, lists, 2), torch.zeros(n, lists), torch.arange(lists))


class Slow(Zeros):
    def check(self, steered, batches):
        return None

    def measure(self, steered, batches, on_progress):
        for row in range(len(steered.tradeoff)):
            on_progress(row + 1)
        return self(steered, batches)


@pytest.mark.parametrize(("evaluator", "expected"), [(Zeros(), []), (Slow(), [1, 2])])
def test_an_evaluator_that_takes_long_says_how_far_it_is(evaluator, expected):
    task, told = ToyTask(Context(torch.device("cpu"), 0, None), lists=8), []
    front = measure_front(BasePolicy(task), task, evaluator, ASKED, "test", on_progress=told.append)
    assert told == expected
    assert front.points.tolist() == [[0.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize("is_training", [True, False])
def test_the_policy_is_measured_in_eval_mode_and_keeps_its_own_even_if_that_fails(is_training):
    class Fails(Zeros):
        def __call__(self, steered, batches):
            modes.append(steered.policy.training)
            raise ValueError("failed")

    task, modes = ToyTask(Context(torch.device("cpu"), 0, None), lists=8), []
    policy = BasePolicy(task).train(is_training)
    with pytest.raises(ValueError, match="failed"):
        measure_front(policy, task, Fails(), ASKED, "test")
    assert (modes, policy.training) == ([False], is_training)
    measure_front(policy, task, Zeros(), ASKED, "test")
    assert policy.training == is_training


@pytest.mark.parametrize("wrong", [float("nan"), -float("inf")])
def test_a_score_that_is_not_finite_is_no_result(wrong):
    class Scored(Zeros):
        def __call__(self, steered, batches):
            scores.extend(steered(batch) for batch in batches)
            return super().__call__(steered, batches)

    class Wrong(BasePolicy):
        def correction(self, batch, tradeoff):
            hit = (batch.lists == 1).unsqueeze(1) & (batch.items.cumsum(1) == 2) | ~batch.items
            return torch.zeros_like(batch.reference).masked_fill(hit, wrong)

    task, scores = ToyTask(Context(torch.device("cpu"), 0, None), lists=8), []
    with pytest.raises(
        RunError, match=f"item 2 of list 2: the policy gives it the score {wrong}, .* Either the policy's weights"
    ):
        measure_front(Wrong(task), task, Scored(), ASKED, "test")


def test_an_objective_that_no_list_says_anything_of_is_named():
    class Half(Zeros):
        def __call__(self, steered, batches):
            found = super().__call__(steered, batches)
            found.values[..., 1] = torch.nan
            return found

    task = ToyTask(Context(torch.device("cpu"), 0, None), lists=8)
    name = task.objectives[1].name
    told = f"{name}: no list of the test split could be measured for it, so it has no value and the front no hypervolume."
    assert measure_front(BasePolicy(task), task, Half(), ASKED, "test").notes == (told,)
    assert measure_front(BasePolicy(task), task, Zeros(), ASKED, "test").notes == ()
