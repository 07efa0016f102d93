"""Encoders of the tradeoff, and conditioners that read what they give."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from moft.api import Conditioner, Factory, ModelSpec
from moft.config.build_component import resolve
from moft.testing import check_conditioner
from moft_conditioners.encoders import MLP, Fourier
from moft_conditioners.film import FiLM
from moft_conditioners.hyper_lora import HyperLoRA
from moft_conditioners.with_encoder import Encoded

SPEC = ModelSpec(3, 8, frozenset({"modulation", "deltas"}), ("input",), {"input": (8, 5)})


@pytest.mark.parametrize("encoder", [Fourier(), Fourier(frequencies=1), MLP(), MLP(width=4, size=2)])
@pytest.mark.parametrize("conditioner", [FiLM, HyperLoRA])
def test_an_encoded_conditioner_keeps_the_contract(encoder, conditioner):
    check_conditioner(lambda spec: Encoded(spec, conditioner=conditioner, encoder=encoder))


def test_fourier_features_are_the_entries_and_waves_of_whole_frequencies():
    module, size = Fourier(frequencies=3).module(2)
    vector = torch.tensor([[0.2, 0.8], [1.0, 0.0]])
    found = module(vector)
    assert found.shape == (2, size)
    for row in range(2):
        angles = [math.pi * k * vector[row, entry].item() for entry in range(2) for k in (1, 2, 3)]
        expected = [*vector[row].tolist(), *map(math.sin, angles), *map(math.cos, angles)]
        assert_close(found[row], torch.tensor(expected))


def test_what_is_conditioned_reads_the_features():
    conditioner = Encoded(SPEC, conditioner=FiLM, encoder=Fourier(frequencies=2))
    assert conditioner.conditioner.network[0].in_features == 3 * 5
    vector = torch.rand(2, 3)
    expected = FiLM(replace(SPEC, tradeoff_size=15))
    expected.load_state_dict(conditioner.conditioner.state_dict())
    found = conditioner(vector).modulation["input"]
    assert_close(found, expected(conditioner.encoder(vector)).modulation["input"])


def test_a_config_names_encoder_and_conditioner_or_a_list_of_them(plugins):
    def built(value):
        return resolve(Factory[Conditioner], value, plugins).make()(SPEC)

    assert isinstance(built("encoded").conditioner, FiLM)
    both = built({"name": "encoded", "encoder": {"name": "mlp", "size": 4}, "conditioner": ["film", {"name": "hypernetwork"}]})
    assert both.slots == {"modulation", "deltas"}
    assert both.encoder[2].out_features == 4
