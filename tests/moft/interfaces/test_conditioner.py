"""Formulas of conditioners: those that have one give it, others are refused by name."""

from __future__ import annotations

import pytest

from moft import ConfigError
from moft.api import ModelSpec, formula_of
from moft_conditioners.film import FiLM
from moft_conditioners.hyper_lora import HyperLoRA
from moft_conditioners.hyper_prompt_tuning import HyperPromptTuning
from moft_conditioners.mixed_conditioners import Mix

SPEC = ModelSpec(2, 8, frozenset({"prefix", "modulation"}), sites=("a",))


def test_a_mix_has_the_formulas_of_its_parts():
    mix = Mix(SPEC, parts=[HyperPromptTuning, HyperPromptTuning])
    assert formula_of(mix) == {"kind": "mix", "parts": [{"kind": "hpt", "rank": 4}] * 2}


def test_a_part_without_a_formula_is_named():
    with pytest.raises(ConfigError, match=r"^the conditioner FiLM has no formula that an export could write down\.$"):
        formula_of(Mix(SPEC, parts=[HyperPromptTuning, FiLM]))


def test_deltas_of_a_ranker_have_none():
    spec = ModelSpec(2, 8, frozenset({"deltas"}), shapes={"layers.0": (8, 8)})
    with pytest.raises(ConfigError, match="'hyper-lora' of a model without LoRA has no formula"):
        formula_of(HyperLoRA(spec))
