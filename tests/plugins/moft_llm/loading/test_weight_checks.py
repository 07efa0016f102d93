"""The headers of a model's weights are checked without reading weights."""

from __future__ import annotations

import json
import shutil

import pytest

from moft import DataError
from moft_llm.loading.model_loading import model_outline, model_without_weights


@pytest.fixture
def folder(tiny_models, tmp_path):
    return shutil.copytree(tiny_models(), tmp_path / "model")


def change_config(folder, **changes):
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_a_sound_model_has_an_outline_and_a_tokenizer(folder):
    outline, tokenizer, _ = model_without_weights(str(folder), gguf=None, cache=None)
    assert type(outline) is type(model_outline(str(folder)))
    assert next(outline.parameters()).is_meta
    assert tokenizer is not None


def test_weights_that_are_cut_short_are_refused(folder):
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"model\.safetensors is cut short or damaged"):
        model_without_weights(str(folder), gguf=None, cache=None)


def test_a_part_that_is_missing_is_named(folder):
    (folder / "model.safetensors").rename(folder / "model-00001.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "model-00002.safetensors"}}))
    with pytest.raises(DataError, match=r"index\.json names model-00002\.safetensors, which is not in the folder"):
        model_without_weights(str(folder), gguf=None, cache=None)


def test_weights_of_another_shape_are_refused(folder):
    change_config(folder, vocab_size=77)
    with pytest.raises(DataError, match=r"has shape \[\d+, \d+\] in model.safetensors, but the config says \[77"):
        model_without_weights(str(folder), gguf=None, cache=None)


def test_weights_of_another_architecture_are_refused(folder):
    change_config(folder, model_type="bert")
    with pytest.raises(DataError, match=r"model\.safetensors has no weight of a BertLMHeadModel"):
        model_without_weights(str(folder), gguf=None, cache=None)
