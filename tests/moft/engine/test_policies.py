"""A conditioned policy answers each row at its own tradeoff, and temperatures act exactly as equation (14) says."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from moft.engine.policies import ConditionedPolicy
from moft.errors import ConfigError
from moft.interfaces import Conditioner, Context
from moft.testing import check_policy
from moft.testing.toy import ToyModel, ToyTask
from moft.types import Injection, Tradeoff


class Shift(Conditioner):
    """A learned shift at the input."""

    slots = frozenset({"modulation"})

    def __init__(self) -> None:
        super().__init__()
        self.shift = nn.Linear(2, 16)

    def forward(self, vector: torch.Tensor) -> Injection:
        return Injection({"input": (None, self.shift(vector))})


def _policy(temperatures: tuple[float, float] = (1.0, 2.0)) -> ConditionedPolicy:
    torch.manual_seed(0)
    model = ToyModel(2)
    nn.init.normal_(model.output.weight)
    return ConditionedPolicy(model, Shift(), torch.tensor([temperatures]))


def _batch():
    task = ToyTask(Context(torch.device("cpu"), 0, None))  # type: ignore[arg-type]
    return next(iter(task.batches("train")))


def test_a_conditioned_policy_keeps_the_contract():
    check_policy(_policy(), _batch(), torch.tensor([[1.0, 2.0]]))


def test_twice_the_temperature_halves_the_correction():
    policy, batch = _policy(), _batch()
    weights, temperatures = torch.tensor([[0.3, 0.7]]), torch.tensor([[1.0, 2.0]])
    trained = policy(batch, Tradeoff(weights, temperatures))
    doubled = policy(batch, Tradeoff(weights, 2 * temperatures))
    assert_close(doubled, 0.5 * batch.reference + 0.5 * trained)


def test_one_temperature_alone_cannot_be_changed_after_training():
    with pytest.raises(ConfigError, match="are not a multiple of the trained ones"):
        _policy()(_batch(), Tradeoff(torch.tensor([[0.3, 0.7]]), torch.tensor([[2.0, 2.0]])))


def test_a_steered_policy_folds_the_grid_into_the_batch_and_changes_nothing():
    policy, batch = _policy(), _batch()
    grid = Tradeoff(torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]), torch.tensor([[1.0, 2.0]]))
    steered = policy.steer(grid)(batch)
    for row in range(3):
        assert_close(steered[row], policy(batch, grid.select(torch.tensor([row]))).detach())


def test_a_plain_policy_is_the_same_for_every_tradeoff():
    policy = ConditionedPolicy(ToyModel(2), None, torch.ones(1, 2))
    nn.init.normal_(policy.model.get_parameter("output.weight"))
    ends = policy.steer(Tradeoff(torch.eye(2), torch.ones(1, 2)))(_batch())
    assert_close(ends[0], ends[1])
