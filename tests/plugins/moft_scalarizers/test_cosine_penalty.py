"""The cosine penalty keeps the contract, is its formula, and works as its documentation warns."""

from __future__ import annotations

import pytest
import torch
from torch import tensor
from torch.nn.functional import cosine_similarity
from torch.testing import assert_close

from moft import ConfigError
from moft.config.build_component import resolve
from moft.interfaces import Scalarizer
from moft.testing import check_scalarizer
from moft_scalarizers.cosine_penalty import CosinePenalty
from moft_scalarizers.linear import Linear

LOSSES, WEIGHTS = tensor([[2.0, 5.0], [1.0, 1.0]]), tensor([[0.3, 0.7], [0.9, 0.1]])


@pytest.mark.parametrize("direction", ["weights", "inverse"])
@pytest.mark.parametrize("strength", [0.0, 0.5])
def test_the_cosine_penalty_keeps_the_contract(direction, strength):
    check_scalarizer(CosinePenalty(strength=strength, direction=direction))


def test_without_strength_it_is_linear():
    assert_close(CosinePenalty(strength=0.0)(LOSSES, WEIGHTS), Linear()(LOSSES, WEIGHTS))


def test_a_config_must_say_a_strength(plugins):
    """Without one it would be `linear` under another name."""
    with pytest.raises(ConfigError, match=r"strength: .*"):
        resolve(Scalarizer, "cosine", plugins)
    assert resolve(Scalarizer, {"name": "cosine", "strength": 0}, plugins).make() == CosinePenalty(strength=0.0)


def test_it_is_linear_less_the_cosine_with_the_weights():
    expected = (LOSSES * WEIGHTS).sum(-1) - 2 * cosine_similarity(LOSSES, WEIGHTS)
    assert_close(CosinePenalty(strength=2.0)(LOSSES, WEIGHTS), expected)


def test_the_inverse_direction_takes_the_cosine_with_one_over_the_weights():
    expected = (LOSSES * WEIGHTS).sum(-1) - 2 * cosine_similarity(LOSSES, 1 / WEIGHTS)
    assert_close(CosinePenalty(strength=2.0, direction="inverse")(LOSSES, WEIGHTS), expected)


def test_a_row_of_zero_losses_has_no_cosine_and_a_plain_gradient():
    losses = torch.zeros(2, 2, requires_grad=True)
    values = CosinePenalty(strength=3.0)(losses, WEIGHTS)
    values.sum().backward()
    assert (values == 0).all()
    assert_close(losses.grad, WEIGHTS)


@pytest.mark.parametrize(("direction", "rises"), [("weights", True), ("inverse", False)])
def test_the_penalty_draws_the_weighted_loss_up_unless_its_direction_is_inverse(direction, rises):
    losses, weights = tensor([[1.0, 1.0]], requires_grad=True), tensor([[0.8, 0.2]])
    (CosinePenalty(strength=1.0, direction=direction)(losses, weights) - Linear()(losses, weights)).sum().backward()
    descends = bool(losses.grad[0, 0] < 0)  # going down the gradient raises this loss
    assert descends == rises


def test_it_is_the_penalty_of_torchjd():
    torchjd = pytest.importorskip("torchjd.scalarization", reason="torchjd is not installed; it is in the group 'test'")
    expected = torch.stack([torchjd.COSMOS(1.5, w)(row) for w, row in zip(WEIGHTS, LOSSES, strict=True)])
    assert_close(CosinePenalty(strength=1.5)(LOSSES, WEIGHTS), expected)
