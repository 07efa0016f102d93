"""A conditioner that serves one tradeoff at a time gives what one that serves rows gives; slots that are not read are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from moft.engine.policies.apply_injection import check_slots, conditioned_outputs, vector_by_vector
from moft.engine.policies.conditioned_policy import ConditionedPolicy, TemperaturePolicy
from moft.engine.policies.item_mlp import ItemNetwork
from moft.errors import ConfigError
from moft.interfaces import Conditioner, Context
from moft.testing import check_conditioner, check_policy
from moft.testing.toy_task_and_policy import FEATURES, ToyTask
from moft.types import Injection, ModelSpec, Tradeoff


class Shift(Conditioner):
    """A shift at the first site, for any number of rows."""

    slots = frozenset({"modulation"})

    def __init__(self, spec):
        super().__init__()
        check_slots(spec, self.slots, "shift")
        self.site, self.shift = spec.sites[0], nn.Linear(spec.tradeoff_size, spec.hidden_size)

    def forward(self, vector):
        return Injection({self.site: (None, self.shift(vector))})


class OneShift(Shift):
    """The same, for one row."""

    per_row = False

    def forward(self, vector):
        assert len(vector) == 1
        return super().forward(vector)


@pytest.fixture
def batch():
    return next(iter(ToyTask(Context(torch.device("cpu"), 0, Path())).batches("train")))


def model(size):
    torch.manual_seed(0)
    made = ItemNetwork(FEATURES, size)
    nn.init.normal_(made.output.weight)
    return made


def both(kind, size, *more):
    """A policy of each conditioner, with the same parameters."""
    made = []
    for conditioner in (Shift, OneShift):
        network = model(size)
        torch.manual_seed(1)
        made.append(kind(network, conditioner(network.spec), *more))
    return made


def repeated(rows):
    """`[rows, 2]` weights, three of them different."""
    return torch.tensor([[0.2, 0.8], [1.0, 0.0], [0.5, 0.5]])[torch.arange(rows) % 3]


def test_one_row_at_a_time_is_a_promise_that_a_conditioner_may_make():
    check_conditioner(OneShift)


@pytest.mark.parametrize(("kind", "size", "more"), [(ConditionedPolicy, 2, (torch.ones(1, 2),)), (TemperaturePolicy, 4, ())])
def test_rows_that_are_served_apart_score_as_those_served_together(kind, size, more, batch):
    together, apart = both(kind, size, *more)
    tradeoff = Tradeoff(repeated(len(batch)), torch.ones(1, 2))
    assert_close(apart(batch, tradeoff), together(batch, tradeoff))
    check_policy(apart, batch, any_ratio=kind is TemperaturePolicy)


@pytest.mark.parametrize(("kind", "size", "more"), [(ConditionedPolicy, 2, (torch.ones(1, 2),)), (TemperaturePolicy, 4, ())])
def test_there_is_an_answer_for_each_different_tradeoff(kind, size, more):
    together, apart = both(kind, size, *more)
    tradeoff = Tradeoff(repeated(7), torch.ones(1, 2)).expand(7)
    (whole,) = together.assignments(tradeoff)
    assignments = apart.assignments(tradeoff)
    assert sorted(assignment.rows.tolist() for assignment in assignments) == [[0, 3, 6], [1, 4], [2, 5]]
    for assignment in assignments:
        assert_close(assignment.injection.modulation["input"][1], whole.injection.modulation["input"][1][assignment.rows])
        assert_close(assignment.divisor, whole.divisor[assignment.rows])


def test_gradients_of_rows_that_are_served_apart_are_those_of_rows_served_together(batch):
    found = []
    for policy in both(ConditionedPolicy, 2, torch.ones(1, 2)):
        policy(batch, Tradeoff(repeated(len(batch)), torch.ones(1, 2))).square().sum().backward()
        found.append({name: parameter.grad for name, parameter in policy.named_parameters()})
    assert_close(*found)


def test_vectors_are_taken_in_turn_with_their_rows():
    network = model(2)
    found = list(vector_by_vector(OneShift(network.spec), repeated(4), network.spec))
    assert [rows.tolist() for rows, _ in found] == [[0, 3], [2], [1]]  # in the order of their entries
    assert [len(injection.modulation["input"][1]) for _, injection in found] == [2, 1, 1]


def test_without_a_conditioner_nothing_is_injected(batch):
    network = model(2)
    assert_close(conditioned_outputs(network, None, batch.inputs, repeated(len(batch))), network(batch.inputs, Injection()))


@pytest.mark.parametrize(("kind", "more"), [(ConditionedPolicy, (torch.ones(1, 2),)), (TemperaturePolicy, ())])
def test_a_policy_refuses_a_slot_that_its_model_does_not_read(kind, more):
    conditioner = Shift(ModelSpec(2, 16, frozenset({"modulation"}), ("input",)))
    conditioner.slots = frozenset({"modulation", "prefix", "gates"})
    with pytest.raises(
        ConfigError, match=r"^'Shift' fills the slot 'gates', which this model cannot read \(its slots: deltas, mod"
    ):
        kind(model(2), conditioner, *more)
