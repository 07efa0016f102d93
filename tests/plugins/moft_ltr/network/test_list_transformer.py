"""The ranker: it starts where it should, and neither order nor padding matters."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch.testing import assert_close

from moft import ConfigError
from moft.interfaces import Model
from moft.testing import check_model
from moft.testing.contracts.assertions import perturbed
from moft.types import Injection
from moft_conditioners.concat import Concat
from moft_conditioners.film import FiLM
from moft_conditioners.hyper_lora import HyperLoRA
from moft_conditioners.hypernetwork import Hypernetwork
from moft_ltr.network.list_transformer import Ranker, check_heads

FEATURES = 5


def ranker(*, m=2, is_correction=True, width=8, layers=2, heads=2) -> Ranker:
    torch.manual_seed(0)
    return Ranker(FEATURES, tradeoff_size=m, width=width, layers=layers, heads=heads, is_correction=is_correction)


@pytest.fixture
def inputs():
    """Four lists of different lengths."""
    draws = torch.Generator().manual_seed(0)
    items = torch.arange(7) < torch.tensor([[7], [3], [5], [2]])
    return {"features": torch.randn(4, 7, FEATURES, generator=draws) * items.unsqueeze(-1), "items": items}


@pytest.mark.parametrize("is_correction", [True, False])
def test_the_ranker_keeps_the_contract_of_models(is_correction, inputs):
    check_model(ranker(is_correction=is_correction), inputs)


def test_a_correction_starts_at_zero_and_a_score_does_not(inputs):
    assert ranker(is_correction=True)(inputs, Injection()).eq(0).all()
    scores = ranker(is_correction=False)(inputs, Injection())
    assert scores[inputs["items"]].std() > 0


def conditioned(model: Model, kind, rows):
    """The injection of a conditioner with noise on its parameters, for weights that differ by row."""
    torch.manual_seed(1)
    return perturbed(kind(model.spec))(torch.rand(rows, model.spec.tradeoff_size).softmax(-1))


@pytest.mark.parametrize("kind", [Concat, FiLM])
def test_padding_changes_no_score(kind, inputs):
    model = perturbed(ranker())
    injection = conditioned(model, kind, 4)
    scores = model(inputs, injection)
    wider = {
        "features": torch.cat([inputs["features"], torch.full((4, 3, FEATURES), 1e3)], dim=1),
        "items": torch.cat([inputs["items"], torch.zeros(4, 3, dtype=torch.bool)], dim=1),
    }
    assert_close(model(wider, injection)[:, :7][inputs["items"]], scores[inputs["items"]], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", [Concat, FiLM])
def test_the_order_of_the_items_changes_nothing_but_the_place_of_a_score(kind, inputs):
    model = perturbed(ranker())
    injection = conditioned(model, kind, 4)
    order = torch.randperm(7, generator=torch.Generator().manual_seed(3))
    moved = {name: value[:, order] for name, value in inputs.items()}
    assert_close(model(moved, injection), model(inputs, injection)[:, order], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", [Concat, FiLM])
def test_rows_with_different_weights_score_as_one_by_one(kind, inputs):
    model = perturbed(ranker())
    weights = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5], [0.2, 0.8]])
    torch.manual_seed(1)
    conditioner = perturbed(kind(model.spec))
    together = model(inputs, conditioner(weights))
    for row in range(4):
        alone = model({name: value[row : row + 1] for name, value in inputs.items()}, conditioner(weights[row : row + 1]))
        items = inputs["items"][row]
        assert_close(together[row][items], alone[0][items], rtol=1e-5, atol=1e-5)
    assert not together[0].allclose(model(inputs, conditioner(weights.flip(1)))[0]), "weights matter"


def test_an_item_sees_the_others_of_its_list_alone(inputs):
    model = perturbed(ranker())
    scores = model(inputs, Injection())
    changed = {**inputs, "features": inputs["features"].clone()}
    changed["features"][0, 1] += 1
    others = model(changed, Injection())
    assert (others[0][[0, 2, 3]] != scores[0][[0, 2, 3]]).all()
    assert others[1:].equal(scores[1:])


@pytest.mark.parametrize("m", [2, 5])
@pytest.mark.parametrize("width", [8, 64])
def test_concat_adds_exactly_m_times_width_parameters(m, width):
    model = ranker(m=m, width=width)
    assert sum(parameter.numel() for parameter in Concat(model.spec).parameters()) == m * width


def test_concat_is_the_weights_beside_the_features(inputs):
    model = perturbed(ranker())
    concat = perturbed(Concat(model.spec))
    weights = torch.rand(4, 2)
    joined = Ranker(FEATURES + 2, tradeoff_size=2, width=8, layers=2, heads=2, is_correction=True)
    state = model.state_dict()
    state["input.weight"] = torch.cat([state["input.weight"], concat.shift.weight], dim=1)
    joined.load_state_dict(state)
    both = torch.cat([inputs["features"], weights.unsqueeze(1).expand(-1, 7, -1)], dim=-1)
    expected = joined({"features": both, "items": inputs["items"]}, Injection())
    assert_close(model(inputs, concat(weights))[inputs["items"]], expected[inputs["items"]], rtol=1e-5, atol=1e-5)


def test_heads_must_divide_the_width():
    check_heads(4, 64)
    with pytest.raises(ConfigError, match="heads: 3 does not divide width 64; choose a divisor"):
        check_heads(3, 64)


@pytest.mark.parametrize("kind", [Hypernetwork, HyperLoRA])
@pytest.mark.parametrize("is_correction", [True, False])
def test_sixteen_tradeoffs_in_one_batch_score_as_sixteen_single_runs(kind, is_correction):
    draws = torch.Generator().manual_seed(0)
    items = torch.arange(7) < torch.randint(1, 8, (16, 1), generator=draws)
    inputs = {"features": torch.randn(16, 7, FEATURES, generator=draws) * items.unsqueeze(-1), "items": items}
    weights = torch.rand(16, 2, generator=draws).softmax(-1)
    model = perturbed(ranker(is_correction=is_correction))
    torch.manual_seed(1)
    conditioner = perturbed(kind(model.spec, layers=["*"]))
    together = model(inputs, conditioner(weights))
    for row in range(16):
        alone = model({name: value[row : row + 1] for name, value in inputs.items()}, conditioner(weights[row : row + 1]))
        assert_close(together[row : row + 1][items[row : row + 1]], alone[items[row : row + 1]], rtol=1e-5, atol=1e-5)
    assert not torch.allclose(together, model(inputs, conditioner(weights[:1].expand(16, -1))), atol=1e-2)


@pytest.mark.parametrize("kind", [Hypernetwork, HyperLoRA])
def test_a_changed_layer_is_one_with_another_matrix(kind, inputs):
    model = perturbed(ranker())
    torch.manual_seed(1)
    injection = perturbed(kind(model.spec, layers=["*"]))(torch.rand(4, 2))
    scores = model(inputs, injection)
    for row in range(4):
        twin = deepcopy(model)
        for layer, (delta,) in injection.deltas.items():
            change = delta.dense[row] if delta.dense is not None else delta.b[row] @ delta.a[row]
            twin.get_submodule(layer).weight.data += change
        alone = twin({name: value[row : row + 1] for name, value in inputs.items()}, Injection())
        assert_close(scores[row][inputs["items"][row]], alone[0][inputs["items"][row]], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", [Hypernetwork, HyperLoRA])
def test_a_correction_starts_at_zero_however_far_layers_are_spread(kind, inputs):
    model = ranker()
    assert model(inputs, kind(model.spec, spread=3.0)(torch.rand(4, 2))).eq(0).all()
