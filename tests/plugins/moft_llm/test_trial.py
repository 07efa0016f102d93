"""A network is tried before it is trusted: its scores are those of its own logits, and no response is seen by another."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from moft import ConfigError
from moft_llm.attention import install
from moft_llm.loading import load_model
from moft_llm.lora import LoRA
from moft_llm.model import LanguageModel
from moft_llm.trial import check_scores, trial_of


@pytest.fixture
def network(tiny_models):
    return load_model(str(tiny_models()), device=torch.device("cpu"))[0]


@pytest.fixture
def built(tiny_models):
    """A model of a family in 16 bits, as on a GPU."""

    def model(family, **changes):
        base, tokenizer = load_model(str(tiny_models(family, **changes)), dtype="bfloat16", device=torch.device("cpu"))
        more = {"prompt_tokens": 0, "share_prompt": True, "length_normalization": False, "gradient_checkpointing": False}
        return LanguageModel(base, tokenizer, tradeoff_size=2, lora=LoRA(rank=2), **more)

    return model


def told(trial, wrong=None, leak=0.0):
    """Scores as they should be, but that one layout is off by 1, and the second response may feel the first."""

    def scores(inputs, share, pack):
        moved = leak * float(inputs is trial.changed)
        return trial.own[None] + torch.tensor([[float((share, pack) == wrong), moved]])

    return scores


def test_what_scores_as_the_network_does_is_packed_where_it_may_be(network):
    trial = trial_of(network)
    assert check_scores(trial, True, True, told(trial))
    assert not check_scores(trial, True, False, told(trial))


@pytest.mark.parametrize("wrong", [(True, True), (False, True)])
def test_one_layout_that_scores_otherwise_is_enough_not_to_pack(network, wrong):
    trial = trial_of(network)
    assert not check_scores(trial, True, True, told(trial, wrong))


def test_other_scores_than_the_networks_own_are_refused(network, match):
    trial = trial_of(network)
    for wrong, said in (((False, False), "are not those of its hidden states"), ((True, False), "Set share_prompt: false")):
        with pytest.raises(ConfigError) as raised:
            check_scores(trial, True, True, told(trial, wrong))
        assert match(said, str(raised.value))
    assert check_scores(trial, False, True, told(trial, (True, False)))


def test_a_response_that_is_seen_by_another_is_found_though_scores_are_near(network):
    trial = trial_of(network)
    with pytest.raises(ConfigError, match="share_prompt: LlamaForCausalLM scores otherwise"):
        check_scores(trial, True, True, lambda inputs, share, pack: told(trial, leak=0.05 * share)(inputs, share, pack))


def test_the_trial_is_of_the_network_as_it_was_loaded(network):
    before = trial_of(network).own
    assert install(network)
    torch.testing.assert_close(trial_of(network).own, before)


def test_an_architecture_that_keeps_the_packing_from_its_attention_is_not_packed_in_16_bits_either(built):
    assert built("llama", initializer_range=0.02)._is_packable
    assert not built("stablelm", initializer_range=0.02)._is_packable


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        ("gpt2", {"attn_pdrop": 0.5, "resid_pdrop": 0.5, "embd_pdrop": 0.5}),
        ("gpt_bigcode", {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 128, "n_inner": 64, "attn_pdrop": 0.5}),
        ("opt", {"ffn_dim": 48, "dropout": 0.5, "word_embed_proj_dim": 32}),
    ],
)
def test_no_dropout_of_the_base_is_left(built, family, changes):
    model = built(family, **changes)
    assert all(part.p == 0 for part in model.network.modules() if type(part) is nn.Dropout)
    kept = {name: value for part in model.network.modules() for name, value in vars(part).items() if "drop" in name}
    assert not any(value for value in kept.values() if isinstance(value, float)), kept
