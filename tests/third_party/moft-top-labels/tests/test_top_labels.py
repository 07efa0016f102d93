"""The mean label of the first items."""

import torch
from moft_top_labels import plugin
from moft_top_labels.evaluator import TopLabels

from moft.api import Tradeoff
from moft.testing import check_evaluator, check_plugin

pytest_plugins = ["moft.testing.fixtures"]


def test_contract(toy_task, toy_policy):
    check_plugin(plugin)
    steered = toy_policy.steer(Tradeoff(torch.eye(2), torch.ones(1, 2)))
    for k in (1, 3):
        evaluator = TopLabels(toy_task.objectives, toy_task.main, k=k)
        check_evaluator(evaluator, steered, list(toy_task.batches("test")))
