"""Records refuse what cannot be, broadcast one row, and merge injections."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from moft.engine.policies.apply_injection import injected_linear, modulated, modulated_linear
from moft.errors import ShapeError
from moft.types import Delta, Injection, Tradeoff


def test_one_row_of_a_tradeoff_broadcasts():
    wide = Tradeoff(torch.tensor([[0.2, 0.8]]), torch.ones(3, 2)).expand(3)
    assert wide.weights.shape == wide.betas.shape == (3, 2)


def test_a_tradeoff_of_two_rows_cannot_serve_three_lists():
    with pytest.raises(ShapeError, match="2 rows cannot serve a batch of 3"):
        Tradeoff(torch.full((2, 2), 0.5), torch.ones(1, 2)).expand(3)


@pytest.mark.parametrize(
    ("weights", "betas", "message"),
    [
        ([[0.5, 0.6]], [[1.0, 1.0]], r"must sum to 1, got \[0.5, 0.6\]"),
        ([[-0.5, 1.5]], [[1.0, 1.0]], "must be finite and not negative"),
        ([[float("nan"), 1.0]], [[1.0, 1.0]], "must be finite and not negative"),
        ([[0.5, 0.5]], [[1.0, 0.0]], "betas must be finite and above 0"),
        ([[0.5, 0.5]], [[1.0, -1.0]], "betas must be finite and above 0"),
    ],
)
def test_values_that_no_tradeoff_has_are_refused(weights, betas, message):
    with pytest.raises(ShapeError, match=message):
        Tradeoff(torch.tensor(weights), torch.tensor(betas)).checked()


def test_weights_and_temperatures_need_the_same_objectives():
    with pytest.raises(ShapeError, match="they need the same m"):
        Tradeoff(torch.full((1, 2), 0.5), torch.ones(1, 3))


def test_merged_modulations_are_done_one_after_the_other():
    hidden = torch.randn(2, 3, 4)
    first = Injection({"input": (torch.randn(2, 4), torch.randn(2, 4))})
    second = Injection({"input": (torch.randn(2, 4), torch.randn(2, 4)), "output": (None, torch.randn(2, 4))})
    both = first | second
    assert_close(modulated(hidden, both, "input"), modulated(modulated(hidden, first, "input"), second, "input"))
    assert_close(modulated(hidden, both, "output"), modulated(hidden, second, "output"))


def test_merged_prefixes_follow_each_other_and_deltas_add_up():
    layer, inputs = torch.nn.Linear(4, 5), torch.randn(2, 3, 4)
    dense, a, b = torch.randn(2, 5, 4), torch.randn(2, 2, 4), torch.randn(2, 5, 2)
    first = Injection(prefix=torch.zeros(2, 1, 4), deltas={"layer": (Delta(dense=dense),)})
    second = Injection(prefix=torch.ones(2, 2, 4), deltas={"layer": (Delta(a=a, b=b),)})
    both = first | second
    assert both.prefix is not None
    assert both.prefix[:, :, 0].tolist() == [[0.0, 1.0, 1.0]] * 2
    matrices = layer.weight + dense + b @ a  # [batch, out, in]
    expected = inputs @ matrices.transpose(1, 2) + layer.bias
    assert_close(injected_linear(layer, inputs, both.deltas["layer"]), expected)


def test_a_delta_is_either_dense_or_low_rank():
    with pytest.raises(ShapeError, match="either dense, or low-rank"):
        Delta(a=torch.zeros(1, 2, 3))


@pytest.mark.parametrize("has_bias", [True, False])
@pytest.mark.parametrize(("has_scale", "has_shift"), [(True, True), (True, False), (False, True), (False, False)])
@pytest.mark.parametrize("has_delta", [True, False])
def test_a_modulation_folded_into_a_layer_is_the_modulation_before_it(has_bias, has_scale, has_shift, has_delta):
    layer, hidden = torch.nn.Linear(4, 2, bias=has_bias), torch.randn(3, 5, 4)
    pair = (torch.randn(3, 4) if has_scale else None, torch.randn(3, 4) if has_shift else None)
    injection = Injection({"output": pair})
    deltas = (Delta(dense=torch.randn(3, 2, 4)),) if has_delta else ()
    expected = injected_linear(layer, modulated(hidden, injection, "output"), deltas)
    assert_close(modulated_linear(layer, hidden, injection, "output", deltas), expected)


def test_merged_gates_multiply():
    generator = torch.Generator().manual_seed(0)
    own, other, third = (torch.randn(2, 3, generator=generator) for _ in range(3))
    both = Injection(gates={"q": own, "v": other}) | Injection(gates={"v": third})
    assert_close(dict(both.gates), {"q": own, "v": other * third})


def test_rows_of_an_injection_are_selected_in_every_slot():
    generator = torch.Generator().manual_seed(0)

    def random(*shape):
        return torch.randn(3, *shape, generator=generator)

    delta, factors = Delta(dense=random(5, 4)), Delta(a=random(2, 4), b=random(5, 2))
    given = Injection({"in": (random(4), None)}, random(2, 4), {"layer": (delta, factors)}, {"q": random(6)})
    found = given.select(torch.tensor([2, 0, 2, 1]))
    for place, row in enumerate((2, 0, 2, 1)):
        assert_close(found.modulation["in"][0][place], given.modulation["in"][0][row])
        assert_close(found.prefix[place], given.prefix[row])
        assert_close(found.deltas["layer"][0].dense[place], delta.dense[row])
        assert_close((found.deltas["layer"][1].b @ found.deltas["layer"][1].a)[place], factors.b[row] @ factors.a[row])
        assert_close(found.gates["q"][place], given.gates["q"][row])
    assert found.modulation["in"][1] is None
    assert Injection().select(torch.tensor([0])) == Injection()
