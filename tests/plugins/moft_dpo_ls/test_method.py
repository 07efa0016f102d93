"""Linear scalarisation: the arithmetic mixture at every point of its grid."""

from __future__ import annotations

import torch
from torch.testing import assert_close

from moft.engine.policies.dedicated_models import NearestPolicy

GRID = [[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]
METHOD = {"name": "dpo-ls", "points": 3, "balance": "none"}


def centred(scores: torch.Tensor) -> torch.Tensor:
    return scores - scores.mean(1, keepdim=True)


def test_it_reaches_the_arithmetic_mixture_of_the_targets(optimum, targets):
    policy, correction = optimum(METHOD, [0.5, 0.5])
    assert isinstance(policy, NearestPolicy)
    assert policy.grid.tolist() == GRID
    for weights in GRID:
        mixture = (targets[..., :2] * torch.tensor(weights)).sum(-1)
        assert_close(correction(weights), centred(mixture.log() / 0.5), rtol=0, atol=2e-3)


def test_with_unequal_betas_the_weighted_gradients_cancel(optimum, targets):
    beta = torch.tensor([0.5, 2.0])
    _, correction = optimum(METHOD, beta.tolist())
    for weights in GRID[1:-1]:
        found = correction(weights).unsqueeze(-1)  # [list, item, 1]
        pull = beta * ((beta * found).softmax(1) - targets[..., :2])
        assert_close((torch.tensor(weights) * pull).sum(-1), torch.zeros(2, 3), rtol=0, atol=1e-3)


def test_balance_changes_the_weight_of_an_objective_and_not_the_vertices(optimum):
    _, plain = optimum(METHOD, [0.5, 0.5])
    _, balanced = optimum(METHOD | {"balance": "gradient"}, [0.5, 0.5])
    assert_close(plain([1.0, 0.0]), balanced([1.0, 0.0]), rtol=0, atol=5e-3)
    assert (plain([0.5, 0.5]) - balanced([0.5, 0.5])).abs().max() > 1e-2


def test_a_scalarizer_of_ones_choice_is_used(optimum):
    _, linear = optimum(METHOD, [1.0, 1.0])
    _, other = optimum(METHOD | {"scalarizer": {"name": "tchebycheff"}}, [1.0, 1.0])
    assert (linear([0.5, 0.5]) - other([0.5, 0.5])).abs().max() > 1e-2
