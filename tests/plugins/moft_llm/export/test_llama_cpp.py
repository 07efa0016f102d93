"""GGUF adapters of a soup, read back: at the scales of a weighting they are its averaged LoRA."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import moft
from moft.cli.app import main
from moft_llm.export.llama_cpp import SCALES, write_gguf
from moft_llm.export.peft_files import lora_layers
from moft_llm.loading.model_loading import load_model
from moft_llm.network.language_model import LanguageModel
from moft_llm.network.lora import LoRA

pytestmark = pytest.mark.slow  # a run is trained

SOUP = "{name: dpo-soup}"


def read(file):
    """Architecture, what llama.cpp multiplies the scale by, and the pairs of matrices, by tensor."""
    import gguf

    reader = gguf.GGUFReader(file)
    fields = {name: field.contents() for name, field in reader.fields.items()}
    assert (fields["general.type"], fields["adapter.type"]) == ("adapter", "lora")
    tensors = {tensor.name: np.array(tensor.data) for tensor in reader.tensors}
    pairs = {}
    for name, b in tensors.items():
        if name.endswith(".lora_b"):
            stem = name.removesuffix(".lora_b")
            pairs[stem] = fields["adapter.lora.alpha"] / b.shape[1] * b @ tensors[f"{stem}.lora_a"]
    return fields["general.architecture"], pairs


def in_rows_of_transformers(change, stem, config):
    """As transformers reads rows of queries and keys of a llama from GGUF."""
    heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}.get(stem.split(".")[2])
    if heads is None:
        return change
    half = len(change) // heads // 2
    return change.reshape(heads, half, 2, -1).swapaxes(1, 2).reshape(change.shape)


def test_the_adapters_at_their_scales_are_the_soup(tuned, tmp_path, capsys):
    run, out = tuned(SOUP), tmp_path / "out"
    capsys.readouterr()
    words = ["--as", "llama.cpp", "--weights", "0.3,0.7", "--points", "3", "--base-id", "owner/small"]
    assert main(["export", str(run), str(out), *words]) == 0
    assert f"{out}: 3 GGUF adapters of " in capsys.readouterr().out
    record = json.loads((out / SCALES).read_text())
    assert [each["file"] for each in record["adapters"]] == ["brief.gguf", "calm.gguf", "brief-calm.gguf"]
    assert record["scales"][0]["weights"] == {"brief": 0.3, "calm": 0.7}
    assert [each["scale"] for each in record["scales"][0]["lora"]] == pytest.approx([0.09, 0.49, 0.21])
    found = [read(out / each["file"]) for each in record["adapters"]]
    assert {architecture for architecture, _ in found} == {"llama"}
    opened = moft.open_run(run, device="cpu")
    for row in record["scales"]:
        text = ",".join(str(value) for value in row["weights"].values())
        with torch.no_grad():
            (assignment,) = opened.policy.assignments(opened.tradeoff(text))
        config = assignment.model.network.config
        for name, layer in lora_layers(assignment.model.network):
            kind = {"q_proj": "attn_q", "k_proj": "attn_k", "v_proj": "attn_v", "o_proj": "attn_output"}[name.rpartition(".")[2]]
            stem = f"blk.{name.split('.')[2]}.{kind}.weight"
            change = sum(one["scale"] * found[one["id"]][1][stem] for one in row["lora"])
            change = in_rows_of_transformers(change, stem, config)
            expected = layer.get_delta_weight("default").detach().numpy()
            np.testing.assert_allclose(change, expected, rtol=1e-4, atol=1e-6 * np.abs(expected).max())
    page = (out / "README.md").read_text(encoding="utf-8")
    assert "base_model: owner/small" in page
    assert "  --lora brief-calm.gguf\n" in page
    assert "| 0.3 | 0.7 | 0.09 | 0.49 | 0.21 |" in page


def test_rows_of_qwen2_are_as_in_transformers(tiny_models, tmp_path):
    base, tokenizer = load_model(str(tiny_models("qwen2")), device=torch.device("cpu"))
    shown = {"share_prompt": True, "length_normalization": False, "gradient_checkpointing": False}
    model = LanguageModel(base, tokenizer, tradeoff_size=2, lora=LoRA(rank=2, alpha=3), prompt_tokens=0, **shown)
    for name, value in model.named_parameters():
        if "lora_B" in name:
            value.data.normal_(generator=torch.Generator().manual_seed(len(name)))
    write_gguf(tmp_path / "one.gguf", [model], (0, 0))
    architecture, found = read(tmp_path / "one.gguf")
    assert architecture == "qwen2"
    layer = dict(lora_layers(model.network))["model.layers.0.self_attn.k_proj"]
    expected = layer.get_delta_weight("default").detach().numpy()
    np.testing.assert_allclose(found["blk.0.attn_k.weight"], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (
            {},
            "--as llama.cpp: only a run of dpo-soup has adapters that scales steer. Export",
        ),
        (
            {"method": SOUP, "prompt_tokens": 3},
            "--as llama.cpp: the policy has soft tokens (task.prompt_tokens), which llama.cpp",
        ),
    ],
)
def test_other_policies_are_refused_in_one_line(settings, told, tuned, tmp_path, capsys):
    run = tuned(**settings)
    capsys.readouterr()
    assert main(["export", str(run), str(tmp_path / "out"), "--as", "llama.cpp"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"moft: error: {told}")
    assert error.count("\n") == 1
