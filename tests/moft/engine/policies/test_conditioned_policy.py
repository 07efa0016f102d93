"""A conditioned policy answers each row at its own tradeoff, and betas act exactly as equation (14) says."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from moft.engine.policies.conditioned_policy import ConditionedPolicy, TemperaturePolicy
from moft.engine.policies.item_mlp import ItemNetwork
from moft.errors import ConfigError
from moft.interfaces import Conditioner, Context
from moft.testing import check_policy
from moft.testing.toy_task_and_policy import FEATURES, ToyTask
from moft.types import Injection, Tradeoff


class Shift(Conditioner):
    """A learned shift at the input."""

    slots = frozenset({"modulation"})

    def __init__(self, size: int = 2) -> None:
        super().__init__()
        self.shift = nn.Linear(size, 16)

    def forward(self, vector: torch.Tensor) -> Injection:
        return Injection({"input": (None, self.shift(vector))})


def _policy(betas: tuple[float, float] = (1.0, 2.0)) -> ConditionedPolicy:
    torch.manual_seed(0)
    model = ItemNetwork(FEATURES, 2)
    nn.init.normal_(model.output.weight)
    return ConditionedPolicy(model, Shift(), torch.tensor([betas]))


def _batch():
    task = ToyTask(Context(torch.device("cpu"), 0, None))  # type: ignore[arg-type]
    return next(iter(task.batches("train")))


def test_a_conditioned_policy_keeps_the_contract():
    check_policy(_policy(), _batch(), torch.tensor([[1.0, 2.0]]))


def test_twice_the_temperature_halves_the_correction():
    policy, batch = _policy(), _batch()
    weights, betas = torch.tensor([[0.3, 0.7]]), torch.tensor([[1.0, 2.0]])
    trained = policy(batch, Tradeoff(weights, betas))
    doubled = policy(batch, Tradeoff(weights, 2 * betas))
    assert_close(doubled, 0.5 * batch.reference + 0.5 * trained)


def test_one_temperature_alone_cannot_be_changed_after_training():
    policy, asked = _policy(), Tradeoff(torch.tensor([[0.3, 0.7]]), torch.tensor([[1.0, 2.0], [0.2, 0.1]]))
    with pytest.raises(ConfigError, match=r"^betas \[0\.2, 0\.1\] are not a multiple of the trained ones \[1\.0, 2\.0\]:"):
        policy.magnitude(asked)
    with pytest.raises(ConfigError, match="are not a multiple of the trained ones"):
        policy(_batch(), Tradeoff(torch.tensor([[0.3, 0.7]]), torch.tensor([[2.0, 2.0]])))


def test_a_steered_policy_folds_the_grid_into_the_batch_and_changes_nothing():
    policy, batch = _policy(), _batch()
    grid = Tradeoff(torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]), torch.tensor([[1.0, 2.0]]))
    steered = policy.steer(grid)(batch)
    for row in range(3):
        assert_close(steered[row], policy(batch, grid.select(torch.tensor([row]))).detach())


def test_a_plain_policy_is_the_same_for_every_tradeoff():
    policy = ConditionedPolicy(ItemNetwork(FEATURES, 2), None, torch.ones(1, 2))
    nn.init.normal_(policy.model.get_parameter("output.weight"))
    ends = policy.steer(Tradeoff(torch.eye(2), torch.ones(1, 2)))(_batch())
    assert_close(ends[0], ends[1])


def _steered_by_temperatures(*, is_correction: bool = True) -> TemperaturePolicy:
    torch.manual_seed(0)
    model = ItemNetwork(FEATURES, 4)
    nn.init.normal_(model.output.weight)
    model.spec = replace(model.spec, is_correction=is_correction)
    return TemperaturePolicy(model, Shift(4))


@pytest.mark.parametrize("is_correction", [True, False], ids=["augmentation", "scratch"])
def test_a_policy_that_reads_temperatures_keeps_the_contract_at_any_ratio(is_correction):
    check_policy(_steered_by_temperatures(is_correction=is_correction), _batch(), any_ratio=True)


def test_scores_at_any_temperatures_are_those_at_their_shares_divided_by_the_sum():
    policy, batch = _steered_by_temperatures(), _batch()
    weights, betas = torch.tensor([[0.3, 0.7]]), torch.tensor([[0.5, 2.0]])
    at_shares = policy(batch, Tradeoff(weights, betas / betas.sum()))
    expected = batch.reference + (at_shares - batch.reference) / betas.sum()
    assert_close(policy(batch, Tradeoff(weights, betas)), expected)


def test_ratios_of_temperatures_change_what_the_network_gives():
    policy, batch = _steered_by_temperatures(), _batch()
    weights = torch.tensor([[0.5, 0.5]])
    one, other = (policy(batch, Tradeoff(weights, torch.tensor([row]))) for row in ([1.0, 3.0], [3.0, 1.0]))
    assert (one - other).abs().max() > 1e-2


def test_what_the_network_gives_is_divided_by_the_mean_share_under_the_weights():
    policy, batch = _steered_by_temperatures(), _batch()
    vector = torch.tensor([[0.9, 0.1, 0.25, 0.75]])
    output = policy.model(batch.inputs, policy.conditioner(vector.expand(len(batch), -1)))
    found = policy.correction(batch, Tradeoff(vector[:, :2], vector[:, 2:]))
    assert_close(found, output / (0.9 * 0.25 + 0.1 * 0.75))
