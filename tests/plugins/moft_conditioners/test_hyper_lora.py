"""Low-rank changes gated by the tradeoff: own factors in a ranker, those of its LoRA in a language model."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from moft import ConfigError
from moft.api import ModelSpec
from moft.testing import check_conditioner
from moft_conditioners.hyper_lora import RANK, HyperLoRA

SHAPES = {"input": (8, 5), "inner": (6, 8), "output": (1, 8)}
RANKER = ModelSpec(3, 8, frozenset({"deltas", "modulation"}), ("input",), SHAPES)
WRITER = ModelSpec(3, 8, frozenset({"prefix", "gates"}), ranks={"layers.0.q": 4, "layers.0.v": 4, "layers.1.q": 2}, name="one")


def test_it_keeps_the_contract_in_both_forms():
    check_conditioner(HyperLoRA)
    check_conditioner(HyperLoRA, RANKER)
    check_conditioner(lambda spec: HyperLoRA(spec, rank=1, width=4, layers=["in*"], spread=0.0), RANKER)
    check_conditioner(lambda spec: HyperLoRA(spec, layers=["*.q"]), WRITER)


def test_a_change_is_the_sum_over_ranks_of_gate_times_column_times_row():
    torch.manual_seed(0)
    conditioner, vector = HyperLoRA(RANKER, rank=3), torch.rand(2, 3)
    deltas = conditioner(vector).deltas
    gates = 1 + conditioner.last(conditioner.network(vector))  # [batch, 2 * 3]
    for number, layer in enumerate(("input", "inner")):
        (delta,) = deltas[layer]
        down, up = conditioner.down[number], conditioner.up[number]
        for row in range(2):
            expected = torch.zeros(SHAPES[layer])
            for rank in range(3):
                expected += gates[row, 3 * number + rank] * torch.outer(up[:, rank], down[rank])
            assert_close(delta.b[row] @ delta.a[row], expected)
    assert set(deltas) == {"input", "inner"}


def test_the_gates_of_a_language_model_are_cut_from_one_layer():
    conditioner, vector = HyperLoRA(WRITER), torch.rand(2, 3)
    opened = 1 + conditioner.last(conditioner.network(vector))
    gates = conditioner(vector).gates
    assert list(gates) == list(WRITER.ranks)
    assert_close(torch.cat(list(gates.values()), 1), opened)
    assert {layer: own.shape[1] for layer, own in gates.items()} == WRITER.ranks
    assert sum(parameter.numel() for parameter in conditioner.parameters()) == (3 + 1) * 32 + (32 + 1) * 10


def test_the_layer_that_makes_the_scores_is_left_alone_unless_it_is_named_or_the_only_one():
    assert set(HyperLoRA(RANKER)(torch.eye(3)).deltas) == {"input", "inner"}
    assert set(HyperLoRA(RANKER, layers=["out*"])(torch.eye(3)).deltas) == {"output"}
    assert set(HyperLoRA(replace(RANKER, shapes={"output": (1, 8)}))(torch.eye(3)).deltas) == {"output"}


@pytest.mark.parametrize(("layers", "chosen"), [(["*.q"], ["layers.0.q", "layers.1.q"]), (["layers.1.q"], ["layers.1.q"])])
def test_the_chosen_layers_alone_are_gated(layers, chosen):
    assert list(HyperLoRA(WRITER, layers=layers)(torch.eye(3)).gates) == chosen


def test_without_spread_it_starts_without_effect_and_learns():
    gates = HyperLoRA(WRITER, spread=0.0)(torch.eye(3)).gates
    assert all((own == 1).all() for own in gates.values())
    conditioner = HyperLoRA(RANKER, spread=0.0)
    (delta,) = conditioner(torch.eye(3)).deltas["inner"]
    assert not (delta.b @ delta.a).any()
    delta.b.sum().backward()
    assert conditioner.up[1].grad.any()


def test_with_spread_tradeoffs_start_apart():
    torch.manual_seed(0)
    for own in HyperLoRA(WRITER, width=64)(torch.eye(3)).gates.values():
        assert (own[0] - own[1]).abs().max() > 0.3
    wide = replace(RANKER, shapes={"layer": (64, 48)})
    (delta,) = HyperLoRA(wide)(torch.eye(3)).deltas["layer"]
    made = delta.b @ delta.a
    assert 0.3 < made.std() * (3 * 48) ** 0.5 < 3  # a fresh linear layer has 1 / sqrt(3 inputs)
    assert delta.a.shape[1] == RANK


def test_a_rank_beside_that_of_lora_is_refused():
    with pytest.raises(ConfigError, match="rank 8 cannot be set: the LoRA of one has its own; leave it out"):
        HyperLoRA(WRITER, rank=8)


def test_layers_without_lora_are_refused():
    with pytest.raises(ConfigError, match=r"'hyper-lora': layers: 'mlp' matches no layer of one. It has: layers.0.q, layers.0.v"):
        HyperLoRA(WRITER, layers=["mlp"])


def test_a_model_that_reads_neither_is_refused():
    with pytest.raises(ConfigError, match=r"'hyper-lora' fills the slot 'gates' or 'deltas'.*its slots: none.*task.lora"):
        HyperLoRA(ModelSpec(2, 8))
