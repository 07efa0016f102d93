"""MO-DPO: the geometric mixture, whichever objective carries the loss; finite at every vertex and at tiny weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from moft.config.build_component import resolve
from moft.engine.fronts.measure_front import problem_without_validation
from moft.engine.policies.dedicated_models import DedicatedModels
from moft.engine.policies.item_mlp import ItemNetwork
from moft.engine.seed import seed_initialisation
from moft.engine.training.trainer import AccelerateTrainer
from moft.engine.training.trainer_settings import TrainerSettings
from moft.errors import ConfigError
from moft.interfaces import Context, Method
from moft.testing.toy_task_and_policy import FEATURES, ToyTask
from moft.types import Objective, Tradeoff
from moft_mo_dpo.method import _Margins, shifted_corrections

METHOD = {"name": "mo-dpo", "points": 3}


def centred(scores: torch.Tensor) -> torch.Tensor:
    return scores - scores.mean(1, keepdim=True)


def test_it_reaches_the_geometric_mixture_of_the_targets(optimum, targets):
    policy, correction = optimum(METHOD, [0.5, 0.5])
    for weights in policy.grid.tolist():
        mixture = (targets[..., :2].log() * torch.tensor(weights)).sum(-1)
        assert_close(correction(weights), centred(mixture / 0.5), rtol=0, atol=1e-2)


def test_with_unequal_betas_too(optimum, targets):
    _, correction = optimum({"name": "mo-dpo", "grid": {"name": "das-dennis", "partitions": 4}}, [0.5, 2.0])
    for weights in ([0.75, 0.25], [0.25, 0.75]):
        # beta_i D = w_i log z_i + sum_{j != i} w_j beta_j D_j, with D_j = log z_j / beta_j
        heaviest = 0 if weights[0] > weights[1] else 1
        mixture = (targets[..., :2].log() * torch.tensor(weights)).sum(-1)
        assert_close(correction(weights), centred(mixture / [0.5, 2.0][heaviest]), rtol=0, atol=1e-2)


def test_three_objectives(optimum, targets):
    grid = {"name": "das-dennis", "partitions": 2}
    policy, correction = optimum({"name": "mo-dpo", "grid": grid, "points": 6}, [1.0, 1.0, 1.0])
    for weights in policy.grid.tolist():
        mixture = (targets.log() * torch.tensor(weights)).sum(-1)
        assert_close(correction(weights), centred(mixture), rtol=0, atol=2e-2)


def test_the_shifted_rewards_are_those_of_the_equation():
    torch.manual_seed(0)
    corrections, margins = torch.randn(2, 4, 5), torch.randn(4, 3, 5)
    weights, beta = torch.tensor([[0.2, 0.5, 0.3], [0.6, 0.1, 0.3]]), torch.tensor([[0.5, 2.0, 1.0]])
    heaviest = torch.eye(3)[weights.argmax(1)]
    found = shifted_corrections(corrections, margins, weights, heaviest, beta)
    for model, i in ((0, 1), (1, 0)):
        others = [j for j in range(3) if j != i]
        taken = sum(weights[model, j] * beta[0, j] * margins[:, j] for j in others)
        assert_close(beta[0, i] * found[model], (beta[0, i] * corrections[model] - taken) / weights[model, i])


@pytest.mark.parametrize("point", [[1.0, 0.0], [0.0, 1.0], [1 - 1e-6, 1e-6], [1e-6, 1 - 1e-6]])
def test_it_is_finite_at_vertices_and_at_tiny_weights(point, plugins):
    task = ToyTask(Context(torch.device("cpu"), 0, None), lists=12)
    problem = problem_without_validation(task)
    method = resolve(Method, {"name": "mo-dpo", "grid": {"name": "fixed", "value": point}, "points": 1}, plugins).make()
    seed_initialisation(0, "policy")
    policy = method.policy(problem)
    settings = TrainerSettings(epochs=3, learning_rate=1e-2, evaluations=0, max_grad_norm=None, device="cpu")
    method.train(policy, problem, AccelerateTrainer(settings, seed=0))
    assert all(parameter.isfinite().all() for parameter in policy.parameters())
    batches = task.batches("test")
    batch = batches.load(torch.arange(batches.lists))
    assert policy(batch, Tradeoff(torch.tensor([point]), problem.betas)).isfinite().all()


def test_the_choice_of_the_heaviest_keeps_the_divisor_away_from_zero():
    weights = torch.tensor([[1e-6, 1 - 2e-6, 1e-6], [1 / 3, 1 / 3, 1 / 3]])
    heaviest = torch.eye(3)[weights.argmax(1)]
    found = shifted_corrections(torch.ones(2, 1, 2), torch.zeros(1, 3, 2), weights, heaviest, torch.ones(1, 3))
    assert found.max() <= 3 + 1e-5


class WithDropout(ItemNetwork):
    """Forgets half of what it reads while it is trained."""

    def forward(self, inputs, injection):
        kept = nn.functional.dropout(inputs["features"], 0.5, self.training)
        return super().forward(inputs | {"features": kept}, injection)


def test_margins_are_those_without_dropout():
    task = ToyTask(Context(torch.device("cpu"), 0, None))
    model = WithDropout(FEATURES, 2)
    nn.init.ones_(model.output.weight)
    singles = DedicatedModels(model, 2)
    batches = task.batches("train")
    batch = next(iter(batches))
    margins = _Margins(singles, batches)(batch)
    singles.eval()
    with torch.no_grad():
        expected = torch.cat([singles.corrections(batch, (j,)) for j in range(2)]).transpose(0, 1)
    assert_close(margins, expected)


def test_a_loss_of_final_scores_is_refused(plugins):
    method = resolve(Method, {**METHOD, "loss": "approx-ndcg"}, plugins).make()
    with pytest.raises(ConfigError, match="mo-dpo shifts rewards by a margin, so they give no final scores"):
        method.check((Objective("a"), Objective("b")), lambda size: None)
