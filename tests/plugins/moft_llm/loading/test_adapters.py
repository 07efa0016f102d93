"""PEFT adapters in the place of a model: one base for policy and reference, and the one line that a mistake gets."""

from __future__ import annotations

import json
import shutil

import peft
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.testing import assert_close
from transformers import AutoModelForCausalLM

from moft import ConfigError, DataError
from moft_llm.loading.model_loading import load_base, model_outline, model_without_weights
from moft_llm.network.language_model import LanguageModel
from moft_llm.network.lora import LoRA

CPU = torch.device("cpu")
TOKENS = torch.arange(5, 25).reshape(2, 10)
KINDS = {
    "lora": peft.LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "down_proj"], task_type="CAUSAL_LM"),
    "dora": peft.LoraConfig(r=4, use_dora=True, target_modules=["q_proj"], task_type="CAUSAL_LM"),
    "ia3": peft.IA3Config(target_modules=["k_proj", "down_proj"], feedforward_modules=["down_proj"], task_type="CAUSAL_LM"),
    "head": peft.LoraConfig(r=4, target_modules=["q_proj"], modules_to_save=["lm_head"], task_type="CAUSAL_LM"),
}


def write_adapter(base, folder, kind="lora", **changes):
    """Writes a random adapter of a model; the logits of the two together, and the model's own."""
    torch.manual_seed(0)
    network = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
    with torch.no_grad():
        plain = network(TOKENS).logits
        adapted = peft.get_peft_model(network, KINDS[kind] if isinstance(kind, str) else kind).eval()
        for value in adapted.parameters():
            if value.requires_grad:
                value.add_(torch.randn_like(value), alpha=0.2)
        adapted.save_pretrained(folder)
        told = json.loads((folder / "adapter_config.json").read_text()) | changes
        (folder / "adapter_config.json").write_text(json.dumps(told))
        return adapted(TOKENS).logits, plain


def loaded(folder, **settings):
    return load_base(str(folder), **{"device": CPU, **settings})


def refused(kind, match, pattern, folder, **settings):
    with pytest.raises(kind) as raised:
        loaded(folder, **settings)
    assert match(pattern, str(raised.value))
    assert "\n" not in str(raised.value)


@pytest.fixture
def both(tiny_models, tmp_path):
    """A folder with a model and an adapter of it, the logits of the two together, and the model's own."""
    folder = shutil.copytree(tiny_models(), tmp_path / "both")
    return folder, *write_adapter(tiny_models(), folder)


@pytest.mark.parametrize("kind", KINDS)
def test_an_adapter_beside_its_model_is_merged(kind, tiny_models, tmp_path):
    folder = shutil.copytree(tiny_models(), tmp_path / "both")
    expected, plain = write_adapter(tiny_models(), folder, kind)
    base = loaded(folder)
    with torch.no_grad():
        assert_close(base.network(TOKENS).logits, expected, atol=1e-4, rtol=1e-4)
    assert (expected - plain).abs().max() > 1e-2
    assert not any("lora" in name or "base_layer" in name for name, _ in base.network.named_parameters())
    assert not hasattr(base.network, "peft_config")
    assert base.changes == (f"an adapter ({KINDS[kind].peft_type.value}) is merged into it",)
    where = "holds an adapter beside the model; it is merged into that model"
    assert base.notes == (f"{folder} {where}, so policy and reference both start from the two together.",)


TIED = {
    "head": {"target_modules": ["q_proj", "lm_head"]},
    "embeddings": {"target_modules": ["q_proj", "embed_tokens"]},
    "both": {"target_modules": ["embed_tokens", "lm_head"]},
    "both, tied": {"target_modules": ["embed_tokens", "lm_head"], "ensure_weight_tying": True},
    "saved": {"target_modules": ["q_proj"], "modules_to_save": ["lm_head"]},
    "saved, tied": {"target_modules": ["q_proj"], "modules_to_save": ["embed_tokens", "lm_head"], "ensure_weight_tying": True},
    "neither": {"target_modules": ["q_proj"]},
}


@pytest.mark.parametrize("kind", TIED)
@pytest.mark.filterwarnings("ignore:.*tie_word_embeddings:UserWarning", "ignore:.*weight_tying:UserWarning")
def test_an_adapter_of_tied_embeddings_parts_them(kind, tiny_models, tmp_path):
    base, folder = tiny_models("llama", tie_word_embeddings=True), tmp_path / "a"
    settings = peft.LoraConfig(r=4, task_type="CAUSAL_LM", **TIED[kind])
    expected, plain = write_adapter(base, folder, settings, base_model_name_or_path=str(base))
    network = loaded(folder).network
    with torch.no_grad():
        assert_close(network(TOKENS).logits, expected, atol=1e-4, rtol=1e-4)
        assert (expected - plain).abs().max() > 1e-2
        network.save_pretrained(tmp_path / "whole")
        again = AutoModelForCausalLM.from_pretrained(tmp_path / "whole").eval()
        assert_close(again(TOKENS).logits, expected, atol=1e-4, rtol=1e-4)
    is_tied = network.lm_head.weight is network.model.embed_tokens.weight
    assert network.config.tie_word_embeddings == is_tied
    if kind in ("neither", "head"):
        assert is_tied == (kind == "neither")


def test_a_look_without_weights_says_that_no_adapter_was_tried(tiny_models, tmp_path):
    write_adapter(tiny_models(), tmp_path / "a", base_model_name_or_path=str(tiny_models()))
    (told,) = model_without_weights(str(tmp_path / "a"), gguf=None, cache=None)[2]
    assert (
        told == f"{tmp_path / 'a'}: whether its adapter can be merged into {tiny_models()}, which is tried when training starts."
    )
    assert model_without_weights(str(tiny_models()), gguf=None, cache=None)[2] == ()


def test_policy_and_reference_start_from_the_merged_model(both):
    folder, expected, _ = both
    base = loaded(folder)
    shown = {"share_prompt": True, "length_normalization": False, "gradient_checkpointing": False}
    model = LanguageModel(base.network, base.tokenizer, tradeoff_size=2, lora=LoRA(rank=4), prompt_tokens=0, **shown).eval()
    with torch.no_grad():
        assert_close(model.network(TOKENS).logits, expected, atol=1e-4, rtol=1e-4)
        with model.without_adapters():
            assert_close(model.network(TOKENS).logits, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("named", ["absolute", "beside", "around"])
def test_an_adapter_alone_is_merged_into_the_base_that_it_names(named, tiny_models, tmp_path):
    base, folder = shutil.copytree(tiny_models(), tmp_path / "base"), tmp_path / "tuned" / "adapter"
    if named == "beside":
        shutil.move(base, base := tmp_path / "tuned" / "base")
    if named == "around":
        shutil.move(base, base := folder / "base")
    expected, _ = write_adapter(base, folder, base_model_name_or_path=str(base) if named == "absolute" else "base")
    found = loaded(folder)
    with torch.no_grad():
        assert_close(found.network(TOKENS).logits, expected, atol=1e-4, rtol=1e-4)
    assert found.notes[0].startswith(f"{folder} is an adapter of {base}; it is merged into that model")
    assert type(model_outline(str(folder))).__name__ == "LlamaForCausalLM"


def test_a_tokenizer_beside_an_adapter_is_taken(tiny_models, tmp_path):
    write_adapter(tiny_models(), tmp_path / "a", base_model_name_or_path=str(tiny_models()))
    plain = loaded(tmp_path / "a")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tiny_models() / name, tmp_path / "a" / name)
    settings = json.loads((tmp_path / "a" / "tokenizer_config.json").read_text())
    (tmp_path / "a" / "tokenizer_config.json").write_text(json.dumps(settings | {"eos_token": "<s>"}))
    own = loaded(tmp_path / "a")
    assert (plain.tokenizer.eos_token, own.tokenizer.eos_token) == ("</s>", "<s>")


def test_the_hash_covers_adapter_and_base_and_is_the_same_in_any_precision(both, tiny_models):
    folder, *_ = both
    first = loaded(folder).hash
    assert first == loaded(folder).hash == loaded(folder, dtype="bfloat16").hash
    assert first != loaded(tiny_models()).hash
    weights = load_file(folder / "adapter_model.safetensors")
    next(iter(weights.values())).mul_(1.001)
    save_file(weights, folder / "adapter_model.safetensors")
    assert loaded(folder).hash != first


def test_sums_are_rounded_once(both):
    folder, *_ = both
    exact, rounded = loaded(folder).network, loaded(folder, dtype="bfloat16").network
    for name, value in exact.named_parameters():
        assert_close(rounded.get_parameter(name), value.bfloat16(), atol=0, rtol=0)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"base_model_name_or_path": "nobody/nothing"},
            r"a: an adapter of 'nobody/nothing', which is no folder \(.*\) and not in the hub's cache\. Merge it with",
        ),
        (
            {"base_model_name_or_path": None},
            r"a: an adapter whose adapter_config\.json names no base_model_name_or_path\. Merge it",
        ),
        ({"peft_type": "ABACUS"}, r"a: the adapter \(ABACUS\) cannot be merged into .*: "),
        ({"r": 3}, r"a: the adapter \(LORA\) cannot be merged into .*size mismatch"),
    ],
)
def test_an_adapter_that_cannot_be_merged_is_refused(changes, told, match, tiny_models, tmp_path):
    write_adapter(tiny_models(), tmp_path / "a", **{"base_model_name_or_path": str(tiny_models()), **changes})
    refused(DataError, match, told, tmp_path / "a")


def test_tokens_of_prompt_tuning_are_refused(match, tiny_models, tmp_path):
    kind = peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3)
    write_adapter(tiny_models(), tmp_path / "a", kind, base_model_name_or_path=str(tiny_models()))
    refused(DataError, match, r"a: an adapter of the kind PROMPT_TUNING adds tokens and cannot be merged", tmp_path / "a")


def test_an_adapter_of_another_model_is_refused(match, tiny_models, tmp_path):
    write_adapter(tiny_models(), tmp_path / "a", base_model_name_or_path=str(tiny_models("llama", num_hidden_layers=3)))
    refused(
        DataError,
        match,
        r"a: adapter_model\.safetensors is not an adapter of .*: they differ in \d+ weights, such as base_model",
        tmp_path / "a",
    )


def test_an_adapter_of_a_larger_model_is_refused(match, tiny_models, tmp_path):
    write_adapter(tiny_models("llama", num_hidden_layers=3), tmp_path / "a", base_model_name_or_path=str(tiny_models()))
    refused(
        DataError,
        match,
        r"a: adapter_model\.safetensors is not an adapter of .*: they differ in \d+ weights, such as base_model",
        tmp_path / "a",
    )


def test_an_adapter_of_an_adapter_is_refused(both, match, tiny_models, tmp_path):
    folder, *_ = both
    write_adapter(tiny_models(), tmp_path / "a", base_model_name_or_path=str(folder))
    refused(DataError, match, r"a: an adapter of .*both, which holds an adapter itself\. Merge it with", tmp_path / "a")


def test_pickled_and_damaged_adapters_are_refused(both, match):
    folder, *_ = both
    weights = folder / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    refused(DataError, match, r"both: no adapter could be read: adapter_model\.safetensors is cut short", folder)
    weights.rename(folder / "adapter_model.bin")
    refused(DataError, match, r"both: has adapter_config\.json, but no adapter_model\.safetensors\.", folder)
    (folder / "adapter_config.json").write_text("[]")
    refused(DataError, match, r"both: adapter_config\.json holds no object of settings", folder)


def test_an_adapter_is_not_merged_into_4_bits(both, match, monkeypatch):
    monkeypatch.setattr("moft_llm.loading.model_loading.find_spec", lambda name: True)
    refused(
        ConfigError, match, r"^\[task\.quantization\] 4bit: the adapter in .* Merge it first\.$", both[0], quantization="4bit"
    )


def test_an_adapter_that_is_not_finite_is_refused(both, match):
    folder, *_ = both
    weights = load_file(folder / "adapter_model.safetensors")
    next(iter(weights.values()))[0, 0] = torch.nan
    save_file(weights, folder / "adapter_model.safetensors")
    refused(DataError, match, r"both: the weight .*lora_A.* is nan in 1 of", folder)


@pytest.mark.parametrize(
    "settings", [{"modules_to_save": ["lm_head", "embed_tokens"]}, {"target_modules": ["embed_tokens"]}, {}], ids=str
)
def test_an_adapter_of_another_vocabulary_is_told_so(settings, tiny_models, tmp_path, match):
    network = AutoModelForCausalLM.from_pretrained(tiny_models())
    network.resize_token_embeddings(304)
    config = peft.LoraConfig(**{"r": 2, "target_modules": ["q_proj"], "task_type": "CAUSAL_LM", **settings})
    peft.get_peft_model(network, config).save_pretrained(tmp_path / "resized", save_embedding_layers=True)
    told = r"the adapter has a vocabulary of 304 tokens, but .* has one of 300\. Merge it with PEFT's merge_and_unload, and save"
    refused(DataError, match, told, tmp_path / "resized")
