"""FiLM keeps the contract of conditioners and starts without effect."""

from __future__ import annotations

import pytest
import torch

from moft import ConfigError
from moft.api import ModelSpec
from moft.testing import check_conditioner
from moft_conditioners.film import FiLM

SPEC = ModelSpec(3, 8, frozenset({"modulation"}), ("input", "block", "last"))


def test_film_keeps_the_contract():
    check_conditioner(FiLM)
    check_conditioner(lambda spec: FiLM(spec, width=4, sites=["hidden"]))


def test_film_without_spread_starts_with_scales_of_one_and_shifts_of_zero():
    injection = FiLM(SPEC, spread=0.0)(torch.rand(4, 3))
    assert tuple(injection.modulation) == (SPEC.sites[0], SPEC.sites[-1])
    for scale, shift in injection.modulation.values():
        assert (scale == 1).all()
        assert (shift == 0).all()


def test_film_modulates_the_chosen_sites_alone():
    assert set(FiLM(SPEC, sites=["last", "input"])(torch.rand(4, 3)).modulation) == {"last", "input"}


def test_film_has_one_hidden_layer_of_the_set_width():
    count = sum(parameter.numel() for parameter in FiLM(SPEC, width=16).parameters())
    assert count == (3 + 1) * 16 + (16 + 1) * 2 * 2 * SPEC.hidden_size


@pytest.mark.parametrize(
    ("sites", "message"),
    [
        (["inptu"], "unknown site 'inptu'. Sites of this model: input, block, last"),
        ([], "at least one site and none twice, got \\[\\]"),
        (["input", "input"], r"at least one site and none twice, got \['input', 'input'\]"),
    ],
)
def test_sites_that_cannot_be_are_refused(sites, message):
    with pytest.raises(ConfigError, match=message):
        FiLM(SPEC, sites=sites)


def test_a_model_that_cannot_be_modulated_is_refused():
    with pytest.raises(ConfigError, match=r"'film' fills the slot 'modulation'.*its slots: prefix"):
        FiLM(ModelSpec(2, 8, frozenset({"prefix"})))


def test_film_with_spread_starts_apart_for_different_tradeoffs():
    torch.manual_seed(0)
    injection = FiLM(SPEC, width=64)(torch.eye(3))
    for scale, shift in injection.modulation.values():
        assert scale is not None
        assert shift is not None
        assert (scale - 1).std() > 0.3
        assert (scale[0] - scale[1]).std() > 0.3
        assert (shift[0] - shift[1]).std() > 0.1


def test_film_modulates_the_only_site_of_a_model_once():
    spec = ModelSpec(tradeoff_size=2, hidden_size=4, slots=frozenset({"modulation"}), sites=("only",))
    assert tuple(FiLM(spec)(torch.eye(2)).modulation) == ("only",)
