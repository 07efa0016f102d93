"""Models and tokenizers from folders and GGUF files, and the one line that a mistake gets."""

from __future__ import annotations

import json
import os
import re
import shutil

import gguf
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.testing import assert_close
from transformers import AutoModelForCausalLM, AutoTokenizer

from moft import ConfigError, DataError
from moft_llm.loading.model_loading import load_model

CPU = torch.device("cpu")
TEXT = "Once upon a time"


@pytest.fixture
def folder(tiny_models, tmp_path):
    """A folder of a model that a test may change."""
    return shutil.copytree(tiny_models(), tmp_path / "model")


def refused(kind, match, pattern, *names, **settings):
    with pytest.raises(kind) as raised:
        load_model(*names, **{"device": CPU, **settings})
    assert match(pattern, str(raised.value))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3", "gpt2", "mistral"])
def test_a_folder_gives_a_frozen_model_and_its_tokenizer(tiny_models, family):
    model, tokenizer = load_model(str(tiny_models(family)), device=CPU)
    assert not model.training
    assert not any(value.requires_grad for value in model.parameters())
    expected = AutoModelForCausalLM.from_pretrained(tiny_models(family))
    tokens = tokenizer(TEXT, return_tensors="pt").input_ids
    with torch.no_grad():
        assert_close(model(tokens).logits, expected(tokens).logits)
    assert tokenizer.decode(tokens[0]) == TEXT


def test_a_tokenizer_without_padding_pads_with_its_end(tiny_models):
    assert AutoTokenizer.from_pretrained(tiny_models()).pad_token is None
    _, tokenizer = load_model(str(tiny_models()), device=CPU)
    assert tokenizer.pad_token_id == tokenizer.eos_token_id == 1


def test_weights_take_the_precision_that_is_asked_for(tiny_models):
    asked = {"auto": torch.float32, "float32": torch.float32, "bfloat16": torch.bfloat16}
    assert {name: load_model(str(tiny_models()), dtype=name, device=CPU)[0].dtype for name in asked} == asked


def test_weights_saved_in_16_bits_are_of_32_on_a_cpu(stories):
    model, _ = load_model(str(stories("stories15m")), device=CPU)
    assert {value.dtype for value in model.parameters()} == {torch.float32}


def test_a_folder_that_is_not_there_is_refused_without_the_network(match, tmp_path):
    refused(
        DataError, match, r"none: no such folder\. A model is a folder, or a name on the Hugging Face hub", str(tmp_path / "none")
    )
    refused(DataError, match, r"^\./none: no such folder", "./none")


def test_a_folder_without_a_model_is_refused(match, folder):
    (folder / "config.json").rename(folder / "other.json")
    refused(DataError, match, r"model: the folder has no config\.json", str(folder))


def test_pickled_weights_are_refused(match, folder):
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")
    refused(DataError, match, r"model: the folder has no safetensors file\. Save the model with save_pretrained", str(folder))


def test_an_unknown_architecture_is_refused(match, folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "abacus"}))
    refused(DataError, match, r"model: no model could be read: .*abacus", str(folder))


def test_a_model_that_is_not_causal_is_refused(match, folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "t5"}))
    refused(DataError, match, r"model: 't5' is not a causal language model of transformers\.$", str(folder))


def test_broken_weights_are_refused(match, folder):
    (folder / "model.safetensors").write_bytes(b"\0" * 40)
    refused(DataError, match, r"model: no causal language model in safetensors could be read: ", str(folder))


def test_weights_of_other_shapes_than_the_configs_are_refused_by_name(match, folder, capfd):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"intermediate_size": 64}))
    told = (
        r"model: the weight model\.layers\.0\.mlp\.down_proj\.weight has shape \[32, 48\] in its .* file, "
        r"but the config says \[32, 64\]"
    )
    capfd.readouterr()
    refused(DataError, match, told, str(folder))
    assert capfd.readouterr().err == ""


def test_weights_that_are_missing_are_not_drawn_at_random(match, folder):
    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.1.mlp.down_proj.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    told = r"model: its safetensors file lacks 1 weights of a LlamaForCausalLM, such as model\.layers\.1\.mlp\.down_proj\."
    refused(DataError, match, told, str(folder))


@pytest.mark.parametrize("content", ["", "{oops", "[]"])
def test_a_broken_tokenizer_is_refused(content, match, folder):
    (folder / "tokenizer.json").write_text(content)
    refused(DataError, match, r"model: no tokenizer could be read: ", str(folder))


@pytest.mark.parametrize("change", [{"hidden_size": "x"}, {"num_attention_heads": 0}])
def test_a_config_that_fits_no_weights_is_refused(change, match, folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | change))
    refused(DataError, match, r"model: no (model|causal language model in safetensors) could be read: ", str(folder))


INDEX = "model.safetensors.index.json"
WEIGHTS = "no causal language model in safetensors could be read: "


def cut(file, share=0.5):
    file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])


def shard(folder, content):
    (folder / "model.safetensors").rename(folder / "model-00001-of-00001.safetensors")
    (folder / INDEX).write_text(content)


DAMAGES = {
    "a config that is a list": (
        lambda f: (f / "config.json").write_text("[1]"),
        "no model could be read: config.json: holds list",
    ),
    "a config that is cut": (lambda f: cut(f / "config.json"), "no model could be read: config.json: is not JSON"),
    "a config of bytes": (lambda f: (f / "config.json").write_bytes(b"\xff\xfe{"), "config.json: is not text"),
    "a config that nests": (lambda f: (f / "config.json").write_text("[" * 10**5), "config.json: is not JSON that can be read"),
    "a layer count of text": (lambda f: edit(f / "config.json", num_hidden_layers="two"), "config.json: Validation error"),
    "more layers than memory": (
        lambda f: edit(f / "config.json", num_hidden_layers=10**9),
        "config.json: has 1,000,000,000 layers",
    ),
    "a width that fits nothing": (lambda f: edit(f / "config.json", num_attention_heads=5), "config.json"),
    "no vocabulary": (lambda f: edit(f / "config.json", vocab_size=-1), "config.json: "),
    "weights that are cut": (lambda f: cut(f / "model.safetensors"), WEIGHTS + "model.safetensors is cut short or damaged"),
    "weights without a byte": (lambda f: (f / "model.safetensors").write_bytes(b""), WEIGHTS + "model.safetensors is cut short"),
    "an index of nothing": (lambda f: shard(f, "{}"), WEIGHTS + f"{INDEX} has no weight_map of file names"),
    "an index that is cut": (lambda f: shard(f, '{"weight_map"'), WEIGHTS + f"{INDEX}: is not JSON"),
    "an index of a shard that is not there": (
        lambda f: shard(f, '{"weight_map": {"a": "x.safetensors"}}'),
        f"{INDEX} names x.safetensors, which is not in",
    ),
    "an index of a file elsewhere": (
        lambda f: shard(f, '{"weight_map": {"a": "../x.safetensors"}}'),
        f"{INDEX} names ../x.safetensors, which is not",
    ),
    "generation settings of text": (
        lambda f: (f / "generation_config.json").write_text('"x"'),
        "generation_config.json: holds str",
    ),
    "generation settings that are wrong": (
        lambda f: (f / "generation_config.json").write_text('{"eos_token_id": "x"}'),
        "generation_config.json: eos_token_id",
    ),
    "a tokenizer that is cut": (lambda f: cut(f / "tokenizer.json"), "no tokenizer could be read: tokenizer.json: is not JSON"),
    "a tokenizer of another form": (
        lambda f: edit(f / "tokenizer.json", model={"type": "Abacus"}),
        "no tokenizer could be read: tokenizer.json: ",
    ),
    "a tokenizer without model": (
        lambda f: (f / "tokenizer.json").write_text("{}"),
        "no tokenizer could be read: tokenizer.json: ",
    ),
    "tokenizer settings that are a list": (
        lambda f: (f / "tokenizer_config.json").write_text("[]"),
        "tokenizer_config.json: holds list",
    ),
    "tokenizer settings of other types": (
        lambda f: edit(f / "tokenizer_config.json", eos_token=5, model_max_length="x"),
        "no tokenizer could be read: tokenizer",
    ),
}


def edit(file, **changes):
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_named_in_one_line(damage, match, folder):
    change, told = DAMAGES[damage]
    change(folder)
    refused(DataError, match, rf"model: .*{re.escape(told)}", str(folder))


def test_one_of_several_gguf_files_has_to_be_named(match, folder):
    (folder / "config.json").unlink()
    for name in ("b.gguf", "a.gguf"):
        (folder / name).write_bytes(b"")
    refused(DataError, match, r"Choose one of its GGUF files with task\.gguf or --gguf: a\.gguf, b\.gguf\.$", str(folder))


def test_a_model_that_was_not_fetched_yet_says_how(match, tmp_path):
    refused(DataError, match, r"^smollm2: not downloaded yet\. Run `moft data model smollm2`\.$", "smollm2", cache=tmp_path)


def test_a_name_that_is_no_folder_is_asked_of_the_hub(match, monkeypatch):
    def unknown(name, file):
        raise DataError(f"{name}: has no {file}.")

    monkeypatch.setattr("moft_llm.loading.model_path.check_hub", unknown)
    refused(DataError, match, r"^owner/name: has no config\.json\.$", "owner/name")
    refused(DataError, match, r"^owner/name: has no x\.gguf\.$", "owner/name", gguf="x.gguf")


def test_a_folder_without_tokenizer_is_refused(match, folder):
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    refused(DataError, match, r"model: no tokenizer could be read", str(folder))


def test_a_tokenizer_without_end_is_refused(match, folder):
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    settings.pop("eos_token")
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    refused(DataError, match, r"model: the tokenizer has no end-of-sequence token", str(folder))


def test_an_end_that_the_model_does_not_have_is_refused(match, tiny_models, tmp_path):
    folder = shutil.copytree(tiny_models("llama", vocab_size=258), tmp_path / "model")
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | {"eos_token": "<|later|>"}))
    wanted = r"model: the tokenizer's end-of-sequence token '<\|later\|>' is number 258, but the model has 258 tokens\."
    refused(DataError, match, wanted, str(folder))


def test_a_tokenizer_of_a_larger_model_is_refused(match, tiny_models, tmp_path):
    small = shutil.copytree(tiny_models("llama", vocab_size=100), tmp_path / "small")
    refused(DataError, match, r"small: the tokenizer has 258 tokens, the model 100\.", str(small))


def test_four_bits_without_their_library_are_refused(match, folder, monkeypatch):
    monkeypatch.setattr("moft_llm.loading.model_loading.find_spec", lambda name: None)
    refused(ConfigError, match, r"^\[task\.quantization\] 4bit needs the package bitsandbytes", str(folder), quantization="4bit")


def test_four_bits_of_a_gguf_file_are_refused(match, folder):
    refused(ConfigError, match, r"4bit cannot be combined with gguf", str(folder), quantization="4bit", gguf="a.gguf")


def test_a_gguf_file_that_is_not_there_is_refused_with_those_that_are(match, folder):
    (folder / "one.gguf").write_bytes(b"")
    refused(DataError, match, r"the folder has no file 'two\.gguf'\. Its GGUF files: one\.gguf\.", str(folder), gguf="two.gguf")


def test_a_broken_gguf_file_is_refused(match, folder):
    (folder / "one.gguf").write_bytes(b"nothing")
    refused(DataError, match, r"model: no causal language model in one\.gguf could be read", str(folder), gguf="one.gguf")


def write_gguf(path, model, tokenizer, left_out=""):
    """`model`, a GPT-2, and its tokenizer, in the names of GGUF; all weights but `left_out`."""
    config = model.config
    writer = gguf.GGUFWriter(path, "gpt2")
    writer.add_context_length(config.n_positions)
    writer.add_embedding_length(config.n_embd)
    writer.add_block_count(config.n_layer)
    writer.add_feed_forward_length(4 * config.n_embd)
    writer.add_head_count(config.n_head)
    writer.add_layer_norm_eps(config.layer_norm_epsilon)
    writer.add_tokenizer_model("gpt2")
    vocabulary = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().get)
    vocabulary[1] = "<|endoftext|>"  # older readers look for GPT-2's own name of it
    vocabulary += ["ab", "abc", *(f"<unused{number}>" for number in range(len(vocabulary) + 2, config.vocab_size))]
    writer.add_token_list(vocabulary)
    writer.add_token_types([3 if text.startswith("<") and len(text) > 1 else 1 for text in vocabulary])
    writer.add_token_merges(["a b", "ab c"])  # older readers take a list of one for text
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    names = {"wte": "token_embd", "wpe": "position_embd", "ln_f": "output_norm", "h.": "blk."}
    names |= {"ln_1": "attn_norm", "ln_2": "ffn_norm", "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output"}
    names |= {"mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down"}
    for name, value in model.transformer.state_dict().items():
        is_transposed = ".c_" in name and name.endswith("weight")
        called = name
        for old, new in names.items():
            called = called.replace(old, new)
        array = value.T if is_transposed else value
        if name != left_out:
            writer.add_tensor(called, np.ascontiguousarray(array.float().numpy()))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.mark.parametrize("is_cached", [False, True])
def test_a_gguf_file_gives_the_model_it_was_made_of(tiny_models, tmp_path, is_cached):
    model, tokenizer = load_model(str(tiny_models("gpt2", n_positions=1024)), device=CPU)
    write_gguf(tmp_path / "model.gguf", model, tokenizer)
    cache = tmp_path / "cache" if is_cached else None
    read, own = load_model(str(tmp_path), gguf="model.gguf", device=CPU, cache=cache)
    tokens = tokenizer(TEXT, return_tensors="pt").input_ids
    assert own(TEXT).input_ids == tokens[0].tolist()
    assert own.eos_token_id == own.pad_token_id == 1
    with torch.no_grad():
        assert_close(read(tokens).logits, model(tokens).logits, atol=1e-4, rtol=1e-4)
    assert not any(value.requires_grad for value in read.parameters())


@pytest.mark.parametrize("is_cached", [False, True])
def test_a_gguf_file_that_lacks_a_weight_is_refused_and_leaves_nothing(match, tiny_models, tmp_path, is_cached):
    model, tokenizer = load_model(str(tiny_models("gpt2", n_positions=1024)), device=CPU)
    write_gguf(tmp_path / "model.gguf", model, tokenizer, left_out="h.1.mlp.c_fc.weight")
    cache = tmp_path / "cache" if is_cached else None
    told = r": model\.gguf lacks 1 weights of a GPT2LMHeadModel, such as transformer\.h\.1\.mlp\.c_fc\.weight\.$"
    refused(DataError, match, told, str(tmp_path), gguf="model.gguf", cache=cache)
    assert not is_cached or list((cache / "gguf").iterdir()) == []


@pytest.mark.parametrize(("value", "said"), [(torch.nan, "nan"), (-torch.inf, "-inf")])
def test_weights_that_are_not_finite_are_refused_by_name(match, folder, value, said):
    weights = load_file(folder / "model.safetensors")
    weights["model.layers.1.mlp.down_proj.weight"][:2, 0] = value
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    count = f"{weights['model.layers.1.mlp.down_proj.weight'].numel():,}"
    told = rf"model: the weight model\.layers\.1\.mlp\.down_proj\.weight is {said} in 2 of {count} places; weights must be finite"
    refused(DataError, match, told, str(folder))


def test_a_gguf_file_is_made_dense_once_and_again_when_it_changes(tiny_models, tmp_path, monkeypatch):
    model, tokenizer = load_model(str(tiny_models("gpt2", n_positions=1024)), device=CPU)
    write_gguf(tmp_path / "model.gguf", model, tokenizer)
    reads = []
    monkeypatch.setattr("moft_llm.loading.gguf.read_gguf", lambda *given: reads.append(given) or (model, tokenizer))
    for _ in range(2):
        load_model(str(tmp_path), gguf="model.gguf", device=CPU, cache=tmp_path / "cache")
    assert len(reads) == 1
    os.utime(tmp_path / "model.gguf", (1, 1))
    load_model(str(tmp_path), gguf="model.gguf", device=CPU, cache=tmp_path / "cache")
    assert len(reads) == 2
    assert len(list((tmp_path / "cache" / "gguf").iterdir())) == 2


def test_a_gguf_file_that_cannot_be_read_leaves_nothing_in_the_cache(match, tmp_path):
    (tmp_path / "one.gguf").write_bytes(b"nothing")
    refused(DataError, match, "in one.gguf could be read", str(tmp_path), gguf="one.gguf", cache=tmp_path / "cache")
    assert list((tmp_path / "cache" / "gguf").iterdir()) == []
