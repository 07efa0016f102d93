"""The hash of a model and its tokenizer changes with what they compute, and with nothing else."""

from __future__ import annotations

import json
import shutil

import pytest
import torch

from moft_llm.loading.content_hash import content_hash
from moft_llm.loading.model_loading import load_model

CPU = torch.device("cpu")


@pytest.fixture
def folder(tiny_models, tmp_path):
    """A folder of a model that a test may change."""
    return shutil.copytree(tiny_models(), tmp_path / "model")


def test_the_hash_is_of_weights_and_tokenizer(folder):
    first = content_hash(*load_model(str(folder), device=CPU))
    model, tokenizer = load_model(str(folder), device=CPU)
    assert content_hash(model, tokenizer) == first
    assert content_hash(model, tokenizer, "a template") != first
    with torch.no_grad():
        model.get_output_embeddings().weight[0, 0] += 1e-3
    assert content_hash(model, tokenizer) != first
    rules = json.loads((folder / "tokenizer.json").read_text())
    rules["pre_tokenizer"]["add_prefix_space"] = True
    (folder / "tokenizer.json").write_text(json.dumps(rules))
    assert content_hash(*load_model(str(folder), device=CPU)) != first


@pytest.mark.parametrize("saved", [torch.float16, torch.bfloat16, torch.float32])
def test_the_hash_is_the_same_whatever_holds_the_weights(tiny_models, tmp_path, saved):
    model, tokenizer = load_model(str(tiny_models()), device=CPU)
    model.to(saved).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    on_a_cpu = load_model(str(tmp_path), device=CPU)
    as_on_a_gpu = load_model(str(tmp_path), dtype="float32" if saved == torch.float32 else "bfloat16", device=CPU)
    assert content_hash(*on_a_cpu) == content_hash(*as_on_a_gpu)


def test_the_hash_is_of_what_a_config_says_of_the_model(folder):
    first = content_hash(*load_model(str(folder), device=CPU))
    for change, is_same in ({"transformers_version": "5.0.0"}, True), ({"rms_norm_eps": 0.5}, False):
        said = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(said | change))
        assert (content_hash(*load_model(str(folder), device=CPU)) == first) == is_same, change
