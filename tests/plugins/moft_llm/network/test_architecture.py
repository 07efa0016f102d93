"""What a transformers model says of itself, and which ones are refused."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch

from moft import ConfigError
from moft_llm.loading.model_loading import load_model
from moft_llm.network.architecture import checkpoint_layers, learned_positions, ordinary_tokens, widest_head
from moft_llm.network.attention.attention_windows import possible_window, shortest_window
from moft_llm.network.language_model import LanguageModel

CPU = torch.device("cpu")
SETTINGS = {"tradeoff_size": 2, "lora": None, "prompt_tokens": 0, "length_normalization": False, "gradient_checkpointing": False}


@pytest.mark.parametrize(
    ("family", "changes", "expected"),
    [
        ("llama", {}, None),
        ("mistral", {}, None),
        ("mistral", {"sliding_window": 16}, 16),
        ("qwen2", {"sliding_window": 16}, None),
        ("qwen2", {"sliding_window": 16, "use_sliding_window": True, "max_window_layers": 1}, 16),
        ("gpt_neo", {"attention_types": ((("global", "local"), 1),)}, 256),
        ("gpt_neo", {"attention_types": ((("global",), 2),), "window_size": 16}, None),
    ],
)
def test_the_shortest_window_is_of_the_layers_that_have_one(tiny_models, family, changes, expected):
    assert shortest_window(load_model(str(tiny_models(family, **changes)), device=CPU)[0]) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, None),
        ({"odd_window": 40, "block_size": 24}, 40),
        ({"odd_window": 4096, "local_span": 24}, 24),  # too long for a trial
        ({"num_local_experts": 40, "max_window_layers": 28, "window": True}, None),
        ({"sliding_window": 16, "odd_window": 40}, None),  # no row is that long
    ],
)
def test_what_may_be_a_window_is_told_by_its_name(tiny_models, changes, expected):
    network = load_model(str(tiny_models("mistral")), device=CPU)[0]
    network.config.update(changes)
    assert possible_window(network) == expected


def test_positions_are_learned_by_gpt2_and_computed_by_llama(tiny_models):
    found = [learned_positions(load_model(str(tiny_models(family)), device=CPU)[0]) for family in ("gpt2", "llama")]
    assert found == [512, None]


def test_ordinary_tokens_are_none_that_the_model_has_no_embedding_for(tiny_models):
    model, tokenizer = load_model(str(tiny_models("gpt2", vocab_size=258)), device=CPU)
    tokenizer.add_tokens(["added", "another"])  # as readers of GGUF files do
    found = ordinary_tokens(tokenizer, model)
    assert len(tokenizer) > int(found.max()) + 1
    assert int(found.max()) < 258


def test_ordinary_tokens_are_whole_words_where_there_are_enough(stories):
    model, tokenizer = load_model(str(stories("stories15m")), device=CPU)
    texts = tokenizer.convert_ids_to_tokens(ordinary_tokens(tokenizer, model).tolist())
    assert len(texts) == 512
    assert all(text.startswith("▁") and text[1:].isalpha() for text in texts)


def test_a_network_whose_logits_are_not_its_heads_is_refused(tiny_models, match):
    base, tokenizer = load_model(str(tiny_models()), device=CPU)
    base.lm_head.register_forward_hook(lambda module, inputs, logits: 2 * logits)
    with pytest.raises(ConfigError) as raised:
        LanguageModel(base, tokenizer, share_prompt=True, **SETTINGS)
    assert match(
        r"^model: LlamaForCausalLM cannot be tuned, because its logits are not its LM head applied to its hidden states",
        str(raised.value),
    )


def test_a_network_without_attention_heads_is_refused(match):
    from transformers import MambaConfig, MambaForCausalLM

    network = MambaForCausalLM(MambaConfig(vocab_size=32, hidden_size=8, num_hidden_layers=1, state_size=2))
    with pytest.raises(ConfigError) as raised:
        widest_head(network)
    assert match(r"^model: MambaForCausalLM has no attention heads in its config, so it cannot be tuned\.$", str(raised.value))


def test_a_network_without_checkpoints_is_refused(tiny_models, match):
    base, _ = load_model(str(tiny_models()), device=CPU)
    base.supports_gradient_checkpointing = False
    with pytest.raises(ConfigError) as raised:
        checkpoint_layers(base, lambda: (nullcontext(), nullcontext()))
    assert match(r"^gradient_checkpointing: LlamaForCausalLM does not support it\.", str(raised.value))
