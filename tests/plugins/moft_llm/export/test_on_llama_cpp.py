"""A soup on llama.cpp has moft's log-probabilities; skipped unless MOFT_LLAMA_CPP_PYTHON has llama-cpp-python."""

from __future__ import annotations

import json
import os
import subprocess

import numpy as np
import pytest
import torch
import transformers

import moft
from moft.cli.app import main
from moft_llm.export.llama_cpp import ARCHITECTURES, SCALES

PYTHON = "MOFT_LLAMA_CPP_PYTHON"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PYTHON not in os.environ, reason=f"{PYTHON} names no interpreter with llama-cpp-python"),
]
IDS = list(range(3, 43))
READ = """
import ctypes, json, sys
import llama_cpp as cpp

base, adapters, rows, ids = json.load(sys.stdin)
cpp.llama_backend_init()
model = cpp.llama_model_load_from_file(base.encode(), cpp.llama_model_default_params())
loaded = [cpp.llama_adapter_lora_init(model, path.encode()) for path in adapters]
assert model and all(loaded)
settings, tokens, found = cpp.llama_context_default_params(), (cpp.llama_token * len(ids))(*ids), []
settings.type_k = settings.type_v = 0  # 32 bits
for scales in rows:
    context = cpp.llama_init_from_model(model, settings)
    handles = (cpp.llama_adapter_lora_p_ctypes * len(loaded))(*loaded)
    assert cpp.llama_set_adapters_lora(context, handles, len(loaded), (ctypes.c_float * len(scales))(*scales)) == 0
    assert cpp.llama_decode(context, cpp.llama_batch_get_one(tokens, len(ids))) == 0
    found.append(cpp.llama_get_logits(context)[:cpp.llama_vocab_n_tokens(cpp.llama_model_get_vocab(model))])
json.dump(found, sys.stdout)
"""


def write_base(folder, file):
    """A base model as llama.cpp reads it, without a vocabulary."""
    import gguf

    network = transformers.AutoModelForCausalLM.from_pretrained(folder)
    config, heads = network.config, network.config.num_attention_heads
    architecture = ARCHITECTURES[config.model_type]
    names = gguf.get_tensor_name_map({name: kind for kind, name in gguf.MODEL_ARCH_NAMES.items()}[architecture], 2)
    size = getattr(config, "head_dim", None) or config.hidden_size // heads
    writer = gguf.GGUFWriter(file, architecture)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(size)
    writer.add_value_length(size)
    writer.add_rope_dimension_count(size)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    writer.add_tokenizer_model("no_vocab")
    for name, value in network.state_dict().items():
        rows = {"q_proj": heads, "k_proj": config.num_key_value_heads}.get(name.split(".")[-2])
        array = value.float().numpy()
        if rows is not None and architecture == "llama":
            array = array.reshape(rows, 2, size // 2, -1).swapaxes(1, 2).reshape(array.shape)
        writer.add_tensor(names.get_name(name, try_suffixes=(".weight", ".bias")), np.ascontiguousarray(array))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.mark.parametrize("family", ARCHITECTURES)
def test_adapters_at_their_scales_give_the_log_probabilities_of_the_soup(family, tuned, tiny_models, tmp_path, capsys):
    run, out = tuned("{name: dpo-soup}", model=family), tmp_path / "out"
    assert main(["export", str(run), str(out), "--as", "llama.cpp", "--points", "3", "--weights", "0.3,0.7"]) == 0
    record = json.loads((out / SCALES).read_text())
    write_base(tiny_models(family), tmp_path / "base.gguf")
    rows = [[each["scale"] for each in row["lora"]] for row in record["scales"]]
    asked = [str(tmp_path / "base.gguf"), [str(out / each["file"]) for each in record["adapters"]], rows, IDS]
    done = subprocess.run([os.environ[PYTHON], "-c", READ], input=json.dumps(asked), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    opened = moft.open_run(run, device="cpu")
    found = torch.tensor(json.loads(done.stdout)).log_softmax(-1)
    assert (found[1:] - found[0]).abs().amax(1).min() > 0.1
    for row, values in zip(record["scales"], found, strict=True):
        with torch.no_grad():
            (assignment,) = opened.policy.assignments(opened.tradeoff(",".join(map(str, row["weights"].values()))))
            expected = assignment.model.network(torch.tensor([IDS])).logits[0, -1].log_softmax(-1)
        torch.testing.assert_close(values, expected, rtol=0, atol=0.01)  # llama.cpp rounds, also without adapters
