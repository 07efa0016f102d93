"""The text decoders of multimodal models: the same logits and text as the whole model, or the one line that refuses them."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from torch.testing import assert_close
from transformers import AutoModelForImageTextToText

from moft import DataError
from moft_llm.loading import text_decoder as module
from moft_llm.loading.model_loading import load_base, model_outline
from moft_llm.network.lora import LoRA, add_lora, peft_config

CPU = torch.device("cpu")
TOKENS = torch.arange(5, 65).reshape(2, 30)
DECODERS = {
    "gemma3": "Gemma3ForCausalLM",
    "llava": "LlamaForCausalLM",
    "qwen2_vl": "Qwen2ForCausalLM",
    "qwen3_vl": "Qwen3ForCausalLM",
}


@pytest.mark.parametrize("family", DECODERS)
def test_the_text_decoder_gives_logits_and_text_of_the_whole_model(family, multimodal):
    base = load_base(str(multimodal(family)), device=CPU)
    whole = AutoModelForImageTextToText.from_pretrained(multimodal(family), dtype=torch.float32).eval()
    assert type(base.network).__name__ == DECODERS[family]
    assert not any("vis" in name for name, _ in base.network.named_parameters())
    given = {"input_ids": TOKENS, "attention_mask": torch.ones_like(TOKENS)}
    with torch.no_grad():
        assert_close(base.network(**given).logits, whole(**given).logits, atol=1e-5, rtol=1e-5)
        texts = [model.generate(**given, max_new_tokens=8, do_sample=False) for model in (base.network, whole)]
    assert texts[0].tolist() == texts[1].tolist()
    kind, name = type(whole).__name__, str(multimodal(family))
    assert base.notes == (f"{name} is a {kind}; its text decoder is taken alone, without images and sound.",)
    assert base.changes == (f"only its text decoder is used, a {DECODERS[family]}, without images and sound",)


def test_lora_is_in_the_text_decoder_alone(multimodal):
    network = load_base(str(multimodal()), device=CPU).network
    add_lora(network, peft_config(LoRA(rank=2), network))
    adapted = {name.partition(".self_attn")[0] for name, value in network.named_parameters() if value.requires_grad}
    assert adapted == {"model.layers.0", "model.layers.1"}


@pytest.mark.parametrize("family", DECODERS)
def test_its_architecture_is_known_without_weights(family, multimodal):
    assert type(model_outline(str(multimodal(family)))).__name__ == DECODERS[family]


def refused(match, pattern, folder):
    with pytest.raises(DataError) as raised:
        load_base(str(folder), device=CPU)
    assert match(pattern, str(raised.value))
    assert "\n" not in str(raised.value)


def test_a_model_that_cannot_do_without_images_is_refused(match, multimodal):
    told = r": Blip2ForConditionalGeneration also takes images or sound, and its text decoder cannot be tuned alone: "
    refused(match, told, multimodal("blip-2"))


def test_other_logits_are_refused(match, multimodal, monkeypatch):
    monkeypatch.setattr(module, "_take_head", lambda text, whole: text.set_output_embeddings(torch.nn.Linear(32, 300)))
    told = r"cannot be tuned alone: on text alone, its logits differ by up to [\d.]+ from those of the whole model\.$"
    refused(match, told, multimodal("llava"))


def test_a_model_of_text_and_images_without_a_text_class_is_refused(match, multimodal, tmp_path):
    folder = shutil.copytree(multimodal(), tmp_path / "model")
    (folder / "config.json").write_text(json.dumps({"model_type": "florence2"}))
    refused(match, r"'florence2' is not a causal language model of transformers\.$", folder)
