"""Fixtures that plugins name, and the toy policy among them."""

from __future__ import annotations

import torch

from moft import Component, hookimpl
from moft.api import Tradeoff
from moft.testing import check_model, check_policy, check_task
from moft.testing.fixtures import fresh_plugins, toy_policy, toy_task  # noqa: F401


class Offers:
    @hookimpl
    def moft_losses(self):
        yield Component("mine", dict)


def test_a_fresh_manager_knows_what_is_registered_and_nothing_else(fresh_plugins):  # noqa: F811
    assert fresh_plugins.registered() == []
    fresh_plugins.register(Offers(), "mine")
    assert [offer.component.name for offer in fresh_plugins.offers("losses")] == ["mine"]


def test_the_toy_task_keeps_its_contract(toy_task):  # noqa: F811
    check_task(toy_task)
    check_model(toy_task.model(2), next(iter(toy_task.batches("train"))).inputs)


def test_the_toy_policy_answers_tradeoffs_apart(toy_task, toy_policy):  # noqa: F811
    batch = next(iter(toy_task.batches("test")))
    check_policy(toy_policy, batch)
    scores = toy_policy.steer(Tradeoff(torch.eye(2), torch.ones(1, 2)))(batch)
    assert (scores[0] - scores[1])[batch.items].abs().max() > 1e-3
