"""A network is tried before it is trusted: its scores are those of its own logits, and no response is seen by another."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from moft import ConfigError
from moft_llm.loading.model_loading import load_model
from moft_llm.network.attention.packed_attention import install
from moft_llm.network.language_model import LanguageModel
from moft_llm.network.lora import LoRA
from moft_llm.network.score_self_check import check_scores, generation_fault, run_trial


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
        return trial.expected[None] + torch.tensor([[float((share, pack) == wrong), moved]])

    return scores


def test_what_scores_as_the_network_does_is_packed_where_it_may_be(network):
    trial = run_trial(network)
    assert check_scores(trial, True, True, told(trial))
    assert not check_scores(trial, True, False, told(trial))


@pytest.mark.parametrize("wrong", [(True, True), (False, True)])
def test_one_layout_that_scores_otherwise_is_enough_not_to_pack(network, wrong):
    trial = run_trial(network)
    assert not check_scores(trial, True, True, told(trial, wrong))


def test_other_scores_than_the_networks_own_are_refused(network, match):
    trial = run_trial(network)
    for wrong, said in (
        ((False, False), "its logits are not its LM head applied to its hidden states"),
        ((True, False), "Set share_prompt: false"),
    ):
        with pytest.raises(ConfigError) as raised:
            check_scores(trial, True, True, told(trial, wrong))
        assert match(said, str(raised.value))
    assert check_scores(trial, False, True, told(trial, (True, False)))


def test_a_response_that_is_seen_by_another_is_found_though_scores_are_near(network):
    trial = run_trial(network)
    with pytest.raises(ConfigError, match="share_prompt: LlamaForCausalLM gives other scores"):
        check_scores(trial, True, True, lambda inputs, share, pack: told(trial, leak=0.05 * share)(inputs, share, pack))


def test_a_window_that_only_the_trial_knows_of_is_found(tiny_models, monkeypatch, match):
    changes = {"attention_types": ((("global", "local"), 1),), "window_size": 24}
    base, tokenizer = load_model(str(tiny_models("gpt_neo", **changes)), device=torch.device("cpu"))
    for module in ("attention.attention_windows", "language_model"):
        monkeypatch.setattr(f"moft_llm.network.{module}.shortest_window", lambda network: None)
    settings = {"prompt_tokens": 0, "length_normalization": False, "gradient_checkpointing": False, "lora": None}
    with pytest.raises(ConfigError) as raised:
        LanguageModel(base, tokenizer, tradeoff_size=2, share_prompt=True, **settings)
    assert match(r"^share_prompt: GPTNeoForCausalLM gives other scores when responses share a row\.", str(raised.value))
    LanguageModel(base, tokenizer, tradeoff_size=2, share_prompt=False, **settings)


def test_a_row_of_the_trial_is_longer_than_what_may_be_a_window(network):
    assert run_trial(network).row is None
    network.config.update({"odd_window": 40})
    row = run_trial(network).row
    assert row["tokens"].shape == row["segments"].shape
    assert 40 < row["tokens"].shape[1] <= 40 + 8  # the prompt is 3 tokens, and so is a response
    assert int(row["segments"].max()) == row["items"].shape[1] == (row["tokens"].shape[1] - 3) / 3


@pytest.mark.parametrize("error", [AttributeError("no 'last_hidden_state'"), KeyError("a"), TypeError("first line\nsecond line")])
def test_a_trial_that_fails_names_the_architecture_in_one_line(network, match, error):
    def failing(*_):
        raise error

    with pytest.raises(ConfigError) as raised:
        check_scores(run_trial(network), True, True, failing)
    said = " ".join(str(error).split())
    assert str(raised.value) == f"model: LlamaForCausalLM cannot be tuned: {type(error).__name__}: {said}"
    network.forward = failing
    with pytest.raises(ConfigError, match=r"^model: LlamaForCausalLM cannot be tuned: "):
        run_trial(network)


def test_a_layout_that_fails_is_not_used(network):
    trial = run_trial(network)

    def scores(inputs, share, pack):
        if share or pack:
            raise AttributeError("no such layout")
        return trial.expected[None]

    assert not check_scores(trial, False, True, scores)


def test_too_little_memory_for_a_trial_is_no_fault_of_the_architecture(network):
    def failing(*_, **__):
        raise torch.OutOfMemoryError("tried to allocate")

    for layout in ((False, False), (True, False), (False, True)):
        trial = run_trial(network)
        with pytest.raises(torch.OutOfMemoryError):
            check_scores(
                trial, True, True, lambda *given, at=layout, it=trial: failing() if given[1:] == at else it.expected[None]
            )
    network.forward = failing
    for tried in (run_trial, generation_fault):
        with pytest.raises(torch.OutOfMemoryError):
            tried(network)


def test_an_architecture_that_gives_other_outputs_is_refused_by_name(tiny_models, match):
    small = {"num_local_experts": 2, "head_dim": 4, "intermediate_size_mlp": 48}
    from transformers import Llama4ForCausalLM, Llama4TextConfig

    torch.manual_seed(0)
    tokenizer = load_model(str(tiny_models()), device=torch.device("cpu"))[1]
    config = Llama4TextConfig(
        vocab_size=320,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=1,
        num_attention_heads=8,
        pad_token_id=None,
        **small,
    )
    settings = {"prompt_tokens": 0, "share_prompt": True, "length_normalization": False, "gradient_checkpointing": False}
    with pytest.raises(ConfigError) as raised:
        LanguageModel(Llama4ForCausalLM(config), tokenizer, tradeoff_size=2, lora=None, **settings)
    assert match(r"^model: Llama4ForCausalLM cannot be tuned: AttributeError: .*last_hidden_state", str(raised.value))


def test_a_network_that_cannot_generate_from_embeddings_is_told(network):
    from transformers import OpenAIGPTConfig, OpenAIGPTLMHeadModel

    saved = network.generation_config
    assert generation_fault(network) is None
    assert network.generation_config is saved
    other = OpenAIGPTLMHeadModel(OpenAIGPTConfig(vocab_size=32, n_embd=8, n_layer=1, n_head=2, n_positions=16)).eval()
    fault = generation_fault(other)
    assert fault.startswith("ValueError: You passed `inputs_embeds` to `.generate()`")
    assert len(fault) <= 200


def test_the_trial_is_of_the_network_as_it_was_loaded(network):
    before = run_trial(network).expected
    assert install(network)
    torch.testing.assert_close(run_trial(network).expected, before)


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
