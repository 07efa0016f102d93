"""Mixes merge what their parts inject, and may learn how much of each."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from moft import ConfigError
from moft.api import Conditioner, Delta, Injection, ModelSpec
from moft.testing import check_conditioner
from moft_conditioners.concat import Concat
from moft_conditioners.film import FiLM
from moft_conditioners.hyper_lora import HyperLoRA
from moft_conditioners.hyper_prompt_tuning import HyperPromptTuning
from moft_conditioners.hypernetwork import Hypernetwork
from moft_conditioners.mixed_conditioners import Mix, scaled

SPEC = ModelSpec(3, 8, frozenset({"modulation", "deltas", "prefix"}), ("input", "output"), {"input": (8, 5), "last": (1, 8)})
EVERY = [Concat, FiLM, HyperPromptTuning, Hypernetwork, HyperLoRA]


@pytest.mark.parametrize("gate", ["none", "learned"])
def test_a_mix_keeps_the_contract(gate):
    check_conditioner(lambda spec: Mix(spec, parts=EVERY, gate=gate))
    check_conditioner(lambda spec: Mix(spec, parts=[Concat], gate=gate))


def test_a_mix_is_its_parts_merged_in_their_order():
    torch.manual_seed(0)
    mix, vector = Mix(SPEC, parts=[FiLM, HyperPromptTuning, FiLM, HyperPromptTuning, Hypernetwork, HyperLoRA]), torch.rand(2, 3)
    own = [part(vector) for part in mix.parts]
    found = mix(vector)
    assert_close(found.prefix, torch.cat([own[1].prefix, own[3].prefix], 1))
    for site in SPEC.sites:
        (scale, shift), (other, more) = own[0].modulation[site], own[2].modulation[site]
        assert_close(found.modulation[site], (scale * other, shift * other + more))
    assert [len(deltas) for deltas in found.deltas.values()] == [2]
    assert mix.slots == {"modulation", "prefix", "deltas"}


def everything(rows=2):
    draw = torch.Generator().manual_seed(0)

    def random(*shape):
        return torch.randn(rows, *shape, generator=draw)

    return Injection(
        {"input": (random(8), random(8)), "output": (None, random(8))},
        random(3, 8),
        {"input": (Delta(dense=random(8, 5)), Delta(a=random(2, 5), b=random(8, 2)))},
        {"inner": random(4)},
    )


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0, 2.0])
def test_a_share_scales_what_is_off_identity(share):
    given, found = everything(), scaled(everything(), torch.tensor(share))
    scale, shift = given.modulation["input"]
    assert_close(found.modulation["input"], (1 + share * (scale - 1), share * shift))
    assert found.modulation["output"][0] is None
    assert_close(found.prefix, share * given.prefix)
    (dense, low_rank), (before, factors) = found.deltas["input"], given.deltas["input"]
    assert_close(dense.dense, share * before.dense)
    assert_close(low_rank.b @ low_rank.a, share * factors.b @ factors.a)
    assert_close(found.gates["inner"], 1 + share * (given.gates["inner"] - 1))


def test_a_learned_gate_starts_at_the_plain_mix_and_learns():
    torch.manual_seed(0)
    mix, vector = Mix(SPEC, parts=[FiLM, Hypernetwork], gate="learned"), torch.rand(2, 3)
    plain = mix.parts[0](vector) | mix.parts[1](vector)
    found = mix(vector)
    assert_close(found.modulation["input"], plain.modulation["input"])
    assert_close(found.deltas["input"][0].dense, plain.deltas["input"][0].dense)
    (found.deltas["input"][0].dense.square().sum() + found.modulation["input"][1].square().sum()).backward()
    assert (mix.gate.grad != 0).all()
    assert sum(p.numel() for p in mix.parameters()) == 2 + sum(p.numel() for part in mix.parts for p in part.parameters())


def test_a_learned_gate_reports_its_factors_and_a_mix_without_gate_nothing():
    mix = Mix(SPEC, parts=[Concat, Hypernetwork], gate="learned")
    with torch.no_grad():
        mix.gate.copy_(torch.tensor([0.25 / 1.75, 1.5 / 0.5]).log())  # of which 2 sigmoid makes 0.25 and 1.5
    (message,) = mix.findings()
    assert message == (
        "Factors that the mix of conditioners learned: Concat 0.25, Hypernetwork 1.50 (0: no effect, 1: unscaled, 2: doubled)."
    )
    assert not Mix(SPEC, parts=[Concat, Hypernetwork]).findings()


def test_prefixes_that_leave_no_room_together_are_refused_with_the_figure():
    spec = ModelSpec(3, 8, frozenset({"prefix"}), max_prefix=12, name="a model")

    def eight(one):
        return HyperPromptTuning(one, tokens=8)

    assert Mix(spec, parts=[eight])(torch.eye(3)).prefix.shape[1] == 8
    with pytest.raises(ConfigError, match="'mix' puts 16 tokens before the text, but a model has space for 12; set fewer tokens"):
        Mix(spec, parts=[eight, eight])


class OneAtATime(Conditioner):
    slots = frozenset({"modulation"})
    per_row = False

    def __init__(self, spec):
        super().__init__()
        self.concat = Concat(spec)

    def forward(self, vector):
        assert len(vector) == 1
        return self.concat(vector)


def test_a_mix_serves_rows_apart_if_one_of_its_parts_does():
    assert Mix(SPEC, parts=[Concat, FiLM]).per_row
    mix = Mix(SPEC, parts=[FiLM, OneAtATime])
    assert not mix.per_row
    check_conditioner(lambda spec: Mix(spec, parts=[FiLM, OneAtATime], gate="learned"))


def test_a_part_that_the_model_cannot_read_is_refused():
    with pytest.raises(ConfigError, match="'hpt' fills the slot 'prefix', which the ranker cannot read"):
        Mix(ModelSpec(3, 8, frozenset({"modulation"}), ("input",), name="the ranker"), parts=[Concat, HyperPromptTuning])
