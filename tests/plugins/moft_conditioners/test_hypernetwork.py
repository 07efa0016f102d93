"""A hypernetwork makes whole matrices of the tradeoff, and is refused when it has too many parameters."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from moft import ConfigError
from moft.api import ModelSpec
from moft.testing import check_conditioner
from moft_conditioners.hypernetwork import Hypernetwork

SHAPES = {"input": (8, 5), "layers.0.in": (6, 8), "layers.0.out": (8, 6), "output": (1, 8)}
SPEC = ModelSpec(3, 8, frozenset({"deltas"}), shapes=SHAPES, name="the ranker")


def test_a_hypernetwork_keeps_the_contract():
    check_conditioner(Hypernetwork)
    check_conditioner(lambda spec: Hypernetwork(spec, width=4, layers=["last"], spread=0.0))


def test_every_entry_of_a_matrix_is_linear_in_one_hidden_layer():
    torch.manual_seed(0)
    conditioner, vector = Hypernetwork(SPEC, width=7, layers=["in*", "layers.*"]), torch.rand(2, 3)
    deltas = conditioner(vector).deltas
    first = conditioner.network[0]
    for number, layer in enumerate(("input", "layers.0.in", "layers.0.out")):
        last, (outputs, inputs) = conditioner.last[number], SHAPES[layer]
        for row in range(2):
            hidden = torch.nn.functional.gelu(first.weight @ vector[row] + first.bias)
            for out in range(outputs):
                for place in range(inputs):
                    entry = last.weight[out * inputs + place] @ hidden + last.bias[out * inputs + place]
                    assert_close(deltas[layer][0].dense[row, out, place], entry)


def test_the_first_layer_is_made_unless_others_are_named():
    assert set(Hypernetwork(SPEC)(torch.eye(3)).deltas) == {"input"}
    assert set(Hypernetwork(SPEC, layers=["out*"])(torch.eye(3)).deltas) == {"output"}
    assert set(Hypernetwork(SPEC, layers=["layers.0.*", "input"])(torch.eye(3)).deltas) == set(SHAPES) - {"output"}


def test_its_parameters_are_those_of_a_network_of_two_layers():
    chosen = ["input", "layers.*"]
    count = sum(parameter.numel() for parameter in Hypernetwork(SPEC, width=7, layers=chosen).parameters())
    assert count == (3 + 1) * 7 + (7 + 1) * (8 * 5 + 6 * 8 + 8 * 6)
    Hypernetwork(SPEC, width=7, layers=chosen, limit=count)
    with pytest.raises(ConfigError, match=f"would have {count} parameters, more than its limit of {count - 1}, for 136 entries"):
        Hypernetwork(SPEC, width=7, layers=chosen, limit=count - 1)


def test_what_is_too_large_is_refused_before_it_is_made():
    large = ModelSpec(5, 4096, frozenset({"deltas"}), shapes={f"layers.{i}": (4096, 4096) for i in range(32)})
    with pytest.raises(ConfigError, match=r"would have 17716740288 parameters.* of layers.0, .*, \.\.\. \(32 in all\): choose"):
        Hypernetwork(large, layers=["*"])


def test_matrices_start_as_far_apart_as_the_spread_says():
    torch.manual_seed(0)
    wide = ModelSpec(3, 64, frozenset({"deltas"}), shapes={"layer": (64, 48)})
    made = Hypernetwork(wide)(torch.eye(3)).deltas["layer"][0].dense
    assert 0.3 < made.std() * (3 * 48) ** 0.5 < 3  # a fresh linear layer has 1 / sqrt(3 inputs)
    assert (made[0] - made[1]).std() * (3 * 48) ** 0.5 > 0.3
    assert not Hypernetwork(wide, spread=0.0)(torch.eye(3)).deltas["layer"][0].dense.any()


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (["inptu"], r"'hypernetwork': layers: 'inptu' matches no layer of the ranker. It has: input, layers.0.in, .*output"),
        (["layers.1.*", "input"], r"'layers.1.\*' matches no layer"),
        ([], r"layers must name at least one. the ranker has: input"),
    ],
)
def test_layers_that_are_not_there_are_refused(layers, message):
    with pytest.raises(ConfigError, match=message):
        Hypernetwork(SPEC, layers=layers)


def test_a_model_that_takes_no_deltas_is_refused():
    with pytest.raises(ConfigError, match=r"'hypernetwork' fills the slot 'deltas', which a model cannot read \(its slots: pre"):
        Hypernetwork(ModelSpec(2, 8, frozenset({"prefix"}), name="a model"))
