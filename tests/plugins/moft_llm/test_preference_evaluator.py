"""Held-out preferences by the formulas written out, and the contract of evaluators."""

from __future__ import annotations

import math

import pytest
import torch
from torch.testing import assert_close

from moft.api import Batch, ConditionedPolicy, Context, Injection, Model, ModelSpec, Objective, Steered, Tradeoff
from moft.testing import check_evaluator
from moft.testing.toy_task_and_policy import ToyTask
from moft_llm.preference_evaluator import Preference
from moft_losses.listnet import ListNet
from moft_losses.unpaired_logistic import UnpairedLogistic

OBJECTIVES = (Objective("a", beta=0.5), Objective("b", beta=2.0))


class Fixed(Model):
    """Scores that stand in the inputs, one higher with each unit of the second weight's shift."""

    spec = ModelSpec(2, 1)

    def forward(self, inputs, injection: Injection):
        return inputs["scores"]


def batch():
    """Two lists: in the first both objectives order items, in the second only the first does."""
    scores = torch.tensor([[0.5, -0.25, 1.0], [2.0, 1.0, 0.0]])
    labels = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [0.5, 0.0]], [[0.0, 1.0], [1.0, 1.0], [9.0, 9.0]]])
    mask = torch.ones(2, 3, 2, dtype=torch.bool)
    mask[1, 2] = False
    items = torch.tensor([[True, True, True], [True, True, False]])
    reference = torch.tensor([[0.25, 0.0, 0.0], [0.0, 0.0, 0.0]])
    return Batch({"scores": scores}, labels, mask, reference, items, torch.zeros(2, 3), torch.arange(2))


def measured(value):
    policy = ConditionedPolicy(Fixed(), None, torch.tensor([[0.5, 2.0]]))
    steered = Steered(policy, Tradeoff(torch.eye(2), torch.tensor([[0.5, 2.0]])))
    return Preference(OBJECTIVES, None, value=value, loss=ListNet())(steered, [batch()])


def test_accuracy_is_the_share_of_ordered_pairs():
    change = [0.25, -0.25, 1.0]  # of the first list; a orders 0 > 2 > 1, b puts 1 above both others
    a = (float(change[0] > change[1]) + float(change[0] > change[2]) + float(change[2] > change[1])) / 3
    b = (float(change[1] > change[0]) + float(change[1] > change[2])) / 2
    expected = torch.tensor([[[a, b], [0.0, math.nan]]], dtype=torch.float64).expand(2, -1, -1)
    assert_close(measured("accuracy").values, expected, equal_nan=True)


def test_margin_is_the_mean_gap_of_rewards():
    a = 0.5 * ((0.25 + 0.25) + (0.25 - 1.0) + (1.0 + 0.25)) / 3
    b = 2.0 * ((-0.25 - 0.25) + (-0.25 - 1.0)) / 2
    expected = torch.tensor([[[a, b], [0.5 * (1.0 - 2.0), math.nan]]], dtype=torch.float64).expand(2, -1, -1)
    assert_close(measured("margin").values, expected, equal_nan=True)


def test_loss_is_one_minus_the_loss_of_the_rewards():
    found, one = measured("loss"), batch()
    rewards = 0.5 * (one.inputs["scores"] - one.reference)
    expected = 1 - ListNet()(rewards, one.labels[..., 0], one.mask[..., 0])
    assert_close(found.values[0, :, 0], expected.double())
    assert found.values[0, 1, 1].isnan()


def test_all_three_are_written_whichever_is_the_value():
    found = measured("accuracy")
    assert set(found.more) == {f"{name} {what}" for name in "ab" for what in ("accuracy", "margin", "loss")}
    assert_close(found.more["b margin"], measured("margin").values[..., 1], equal_nan=True)
    assert found.main.isnan().all()


@pytest.mark.parametrize("c", [0.5, 4.0])
def test_moving_all_temperatures_changes_nothing(c):
    policy = ConditionedPolicy(Fixed(), None, torch.tensor([[0.5, 2.0]]))
    evaluator = Preference(OBJECTIVES, None, value="loss", loss=ListNet())
    at = [evaluator(Steered(policy, Tradeoff(torch.eye(2), k * torch.tensor([[0.5, 2.0]]))), [batch()]).values for k in (1.0, c)]
    assert_close(at[0], at[1], equal_nan=True)


def test_it_keeps_the_contract_of_evaluators():
    task = ToyTask(Context(torch.device("cpu"), 0, None), lists=8)
    policy = ConditionedPolicy(task.model(2), None, torch.ones(1, 2))
    steered = Steered(policy, Tradeoff(torch.eye(2), torch.ones(1, 2)))
    check_evaluator(Preference(task.objectives, None, loss=ListNet()), steered, list(task.batches("test")))


def test_single_responses_are_right_where_their_reward_has_the_sign_of_their_label():
    data = batch()  # changes of the scores: 0.25, -0.25 and 1; 2 and 1
    objectives = (Objective("a", beta=0.5, loss=UnpairedLogistic()), OBJECTIVES[1])
    found = Preference(objectives, None, loss=ListNet())
    policy = ConditionedPolicy(Fixed(), None, torch.tensor([[0.5, 2.0]]))
    values = found(Steered(policy, Tradeoff(torch.eye(2), torch.tensor([[0.5, 2.0]]))), [data])
    # good, bad, good; bad, good
    assert_close(values.values[0, :, 0], torch.tensor([1.0, 0.5], dtype=torch.float64))
    assert_close(values.more["a margin"][0], torch.tensor([(0.125 + 0.125 + 0.5) / 3, (-1 + 0.5) / 2], dtype=torch.float64))
    assert found.metric.endswith("; of a, each response counts alone: its reward is above 0 for a good one, else below")
