"""Concatenation keeps the contract of conditioners and is what a wider first layer does."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from moft import ConfigError
from moft.api import ModelSpec
from moft.testing import check_conditioner
from moft_conditioners.concat import Concat

SPEC = ModelSpec(5, 64, frozenset({"modulation"}), ("input", "block"))


def test_concat_keeps_the_contract():
    check_conditioner(Concat)


def test_concat_adds_one_parameter_per_entry_and_hidden_unit_and_nothing_else():
    assert sum(parameter.numel() for parameter in Concat(SPEC).parameters()) == SPEC.tradeoff_size * SPEC.hidden_size


def test_concat_starts_without_effect_at_the_first_site_alone():
    injection = Concat(SPEC)(torch.ones(2, 5))
    scale, shift = injection.modulation["input"]
    assert set(injection.modulation) == {"input"}
    assert scale is None
    assert (shift == 0).all()


def test_the_shift_is_what_a_first_layer_over_features_and_tradeoff_adds():
    generator = torch.Generator().manual_seed(0)
    conditioner = Concat(SPEC)
    nn.init.normal_(conditioner.shift.weight, generator=generator)
    features, tradeoff = torch.randn(3, 7, generator=generator), torch.rand(3, 5, generator=generator)
    first = torch.randn(64, 7, generator=generator)
    joint = torch.cat([features, tradeoff], dim=1) @ torch.cat([first, conditioner.shift.weight], dim=1).T
    assert_close(features @ first.T + conditioner(tradeoff).modulation["input"][1], joint, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("spec", [ModelSpec(2, 8, frozenset({"prefix"})), ModelSpec(2, 8, frozenset({"modulation"}))])
def test_a_model_that_cannot_be_modulated_is_refused(spec):
    with pytest.raises(ConfigError, match=r"'concat' fills the slot 'modulation'.*its sites: none"):
        Concat(spec)
