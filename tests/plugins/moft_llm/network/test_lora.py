"""LoRA through PEFT: what it adds, where, and how it is switched off."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch.testing import assert_close

from moft import ConfigError
from moft_llm.loading.model_loading import load_model
from moft_llm.network.lora import LoRA, adapters_off, add_lora, peft_config


@pytest.fixture
def base(tiny_models):
    def loaded(family="llama"):
        return deepcopy(load_model(str(tiny_models(family)), device=torch.device("cpu"))[0])

    return loaded


def adapted(network, **settings):
    lora = LoRA(**settings)
    add_lora(network, peft_config(lora, network))
    return network


@pytest.mark.parametrize(("rslora", "scale"), [(False, 6.0 / 4), (True, 6.0 / 2)])
def test_an_adapted_layer_adds_alpha_by_rank_times_b_a(base, rslora, scale):
    layer = adapted(base(), rank=4, alpha=6.0, rslora=rslora).model.layers[0].self_attn.q_proj
    a, b = layer.lora_A["default"].weight, torch.nn.init.normal_(layer.lora_B["default"].weight)
    inputs = torch.randn(3, 32)
    assert_close(layer(inputs), inputs @ (layer.base_layer.weight + scale * b @ a).T)


def test_a_transposed_layer_of_gpt2_adds_the_same(base):
    layer = adapted(base("gpt2"), rank=4, alpha=6.0).transformer.h[0].attn.c_attn
    a, b = layer.lora_A["default"].weight, torch.nn.init.normal_(layer.lora_B["default"].weight)
    inputs = torch.randn(3, 32)
    assert_close(layer(inputs), inputs @ layer.base_layer.weight + layer.base_layer.bias + 1.5 * inputs @ a.T @ b.T)


@pytest.mark.parametrize(
    ("family", "expected"),
    [
        ("llama", ["self_attn.k_proj", "self_attn.o_proj", "self_attn.q_proj", "self_attn.v_proj"]),
        ("gpt2", ["attn.c_attn", "attn.c_proj"]),
    ],
)
def test_the_projections_of_attention_are_adapted(base, family, expected):
    network = base(family)
    config = peft_config(LoRA(), network)
    assert sorted(config.target_modules) == expected
    assert (config.r, config.lora_alpha, config.lora_dropout, config.fan_in_fan_out) == (64, 1.0, 0.0, family == "gpt2")


def test_named_layers_are_adapted_alone(base):
    network = adapted(base(), rank=2, targets=["mlp.up_proj", "q_proj"])
    found = {name.split(".")[-4] for name, value in network.named_parameters() if value.requires_grad}
    assert found == {"up_proj", "q_proj"}


@pytest.mark.parametrize("target", ["query", "proj", "lm_head"])
def test_a_target_that_is_no_inner_layer_is_refused(base, match, target):
    with pytest.raises(ConfigError) as raised:
        peft_config(LoRA(targets=["q_proj", target]), base())
    known = "down_proj, gate_proj, k_proj, o_proj, q_proj, up_proj, v_proj"
    assert str(raised.value) == f"targets: '{target}' is not a linear layer of LlamaForCausalLM. Its layers: {known}."


def test_no_targets_are_refused(base, match):
    with pytest.raises(ConfigError) as raised:
        peft_config(LoRA(targets=[]), base())
    assert match(r"^targets: no attention layer found in.* q_proj", str(raised.value))


def test_dropout_is_of_training_alone(base):
    layer = adapted(base(), rank=4, dropout=0.9, alpha=4.0).model.layers[0].self_attn.q_proj
    torch.nn.init.normal_(layer.lora_B["default"].weight)
    inputs = torch.randn(3, 32)
    assert not torch.allclose(layer.train()(inputs), layer(inputs))
    assert_close(layer.eval()(inputs), layer(inputs))


def test_adapters_come_back_after_a_mistake_within_the_block(base):
    network = adapted(base(), rank=2)
    layer = network.model.layers[0].self_attn.q_proj

    def fail():
        with adapters_off(network):
            with adapters_off(network):
                pass
            assert layer.disable_adapters
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert not layer.disable_adapters
    assert layer.lora_A["default"].weight.requires_grad
