"""Policies of plain models: one for each point of a grid, or averaged."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from moft import ConfigError
from moft.engine.fronts.measure_front import measure_front
from moft.engine.policies.dedicated_models import DedicatedModels, NearestPolicy, SoupPolicy
from moft.engine.policies.item_mlp import ItemNetwork
from moft.interfaces import Context, Model
from moft.testing import check_policy
from moft.testing.toy_task_and_policy import FEATURES, ToyTask
from moft.types import Batch, Injection, ListValues, ModelSpec, Tradeoff

ONE = torch.ones(1, 2)
GRID = torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])


@pytest.fixture
def batch() -> Batch:
    batches = ToyTask(Context(torch.device("cpu"), 0, None), lists=8).batches("train")
    return batches.load(torch.arange(batches.lists))


def plain_models(count: int) -> DedicatedModels:
    """Copies of one model, then moved apart."""
    torch.manual_seed(0)
    plain = DedicatedModels(ItemNetwork(FEATURES, 2), count)
    with torch.no_grad():
        for parameter in plain.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return plain


def test_copies_start_alike_and_share_nothing():
    plain = DedicatedModels(ItemNetwork(FEATURES, 2), 3)
    plain.check_one_start()
    with torch.no_grad():
        plain.models[1].input.weight.add_(1.0)
    assert plain.models[0].input.weight.equal(plain.models[2].input.weight)
    with pytest.raises(
        ConfigError, match=r"model 2 of 3 does not start from the same weights as model 1: 'input.weight' differs\. .*one init"
    ):
        plain.check_one_start()


def test_only_a_model_can_be_copied():
    with pytest.raises(ConfigError, match="Linear is not a Model"):
        DedicatedModels(nn.Linear(1, 1), 2)


def test_several_models_in_one_pass_give_what_each_gives_alone(batch):
    plain = plain_models(4)
    found = plain.corrections(batch, [3, 0, 2])
    for row, index in zip(found, [3, 0, 2], strict=True):
        assert_close(row, plain.models[index](batch.inputs, Injection()))


def test_gradients_of_one_pass_reach_the_models_that_were_asked_for(batch):
    plain = plain_models(3)
    plain.corrections(batch, [0, 2]).sum().backward()
    assert plain.models[1].input.weight.grad is None
    for index in (0, 2):
        single = plain_models(3)
        single.corrections(batch, [index]).sum().backward()
        assert_close(plain.models[index].input.weight.grad, single.models[index].input.weight.grad)


class Attends(Model):
    """Attention over the items under a mask, then one linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.output = nn.Linear(FEATURES, 3 * 4), nn.Linear(4, 1)
        self.spec = ModelSpec(tradeoff_size=2, hidden_size=4, is_correction=True)

    def forward(self, inputs, injection):
        query, key, value = self.inner(inputs["features"]).unsqueeze(1).chunk(3, -1)  # [batch, 1, list, 4] each
        mask = torch.ones_like(inputs["features"][:, None, None, :, 0], dtype=torch.bool)
        mixed = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        return self.output(mixed.squeeze(1)).squeeze(-1)


def test_attention_of_several_models_takes_no_way_that_knows_one_model_only(batch):
    torch.manual_seed(0)
    plain = DedicatedModels(Attends(), 3)
    with torch.no_grad():
        for parameter in plain.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    expected = torch.stack([plain.corrections(batch, [index]).squeeze(0) for index in range(3)])
    torch._C._functorch._set_vmap_fallback_enabled(False)  # what has no rule for several models fails then
    try:
        found = plain.corrections(batch, [0, 1, 2])
        found.square().sum().backward()
    finally:
        torch._C._functorch._set_vmap_fallback_enabled(True)
    assert_close(found, expected)


def test_frozen_parameters_are_shared_by_a_pass(batch):
    plain = plain_models(2)
    for model in plain.models:
        model.load_state_dict(plain.models[0].state_dict() | {"output.weight": model.output.weight.detach().clone()})
        model.input.requires_grad_(False)
    found = plain.corrections(batch, [0, 1])
    for index in (0, 1):
        assert_close(found[index], plain.models[index](batch.inputs, Injection()))


def test_both_keep_the_contract_of_policies(batch):
    check_policy(NearestPolicy(plain_models(3), GRID, ONE), batch)
    check_policy(SoupPolicy(plain_models(2), ONE), batch)


def test_asked_for_a_point_of_the_grid_its_model_answers(batch):
    plain = plain_models(3)
    policy = NearestPolicy(plain, GRID, ONE)
    for index, weights in enumerate(GRID):
        scores = policy(batch, Tradeoff(weights.unsqueeze(0), ONE))
        assert_close(scores, batch.reference + plain.models[index](batch.inputs, Injection()))


def test_off_the_grid_the_nearest_answers_and_says_so():
    policy = NearestPolicy(plain_models(3), GRID, ONE)
    asked = torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.75, 0.25]])
    served = policy.served(Tradeoff(asked, ONE)).weights
    assert served.tolist() == [[1.0, 0.0], [0.5, 0.5], [0.0, 1.0], [1.0, 0.0]], "the first of equals"


def test_a_soup_at_a_vertex_is_the_model_of_that_objective(batch):
    plain = plain_models(2)
    policy = SoupPolicy(plain, ONE)
    for index, weights in enumerate(torch.eye(2)):
        scores = policy(batch, Tradeoff(weights.unsqueeze(0), ONE))
        assert_close(scores, batch.reference + plain.models[index](batch.inputs, Injection()))


def test_a_soup_is_the_model_with_averaged_parameters(batch):
    plain = plain_models(2)
    mixed = ItemNetwork(FEATURES, 2)
    first, second = (model.state_dict() for model in plain.models)
    mixed.load_state_dict({name: 0.3 * first[name] + 0.7 * second[name] for name in first})
    scores = SoupPolicy(plain, ONE)(batch, Tradeoff(torch.tensor([[0.3, 0.7]]), ONE))
    assert_close(scores, batch.reference + mixed(batch.inputs, Injection()))


def test_temperatures_scale_all_together_and_not_apart(batch):
    for policy in (NearestPolicy(plain_models(3), GRID, 2 * ONE), SoupPolicy(plain_models(2), 2 * ONE)):
        with pytest.raises(ConfigError, match="not a multiple of the trained ones"):
            policy(batch, Tradeoff(GRID[:1], torch.tensor([[1.0, 3.0]])))


def test_a_front_says_which_weights_were_answered():
    task = ToyTask(Context(torch.device("cpu"), 0, None), lists=8)
    asked = Tradeoff(torch.tensor([[1.0, 0.0], [0.9, 0.1]]), ONE)

    class Zeros:
        metric = "none"

        def __call__(self, steered, batches):
            lists = batches.lists
            return ListValues(torch.zeros(len(steered.tradeoff), lists, 2), torch.zeros(2, lists), torch.arange(lists))

    front = measure_front(NearestPolicy(plain_models(3), GRID, ONE), task, Zeros(), asked, "test")
    assert front.served.tolist() == [[1.0, 0.0], [1.0, 0.0]]
    assert front.notes == (
        "Weights first=0.9, second=0.1: no model was trained for these; the nearest one, for first=1, second=0, is used.",
    )
    assert measure_front(SoupPolicy(plain_models(2), ONE), task, Zeros(), asked, "test").served is None
