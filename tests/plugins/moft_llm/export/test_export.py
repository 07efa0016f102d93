"""`moft export`: what it writes generates the same greedy tokens in plain transformers and PEFT, with moft out of reach."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from tempfile import gettempdir

import pytest
import torch

import moft
from moft.cli.app import main
from moft_llm.export.export import merge_lora
from moft_llm.generation.decoding import Decoding
from moft_llm.generation.generate import generate
from moft_llm.loading.model_loading import load_model
from moft_llm.network.language_model import LanguageModel
from moft_llm.network.lora import LoRA
from moft_llm.task import LLM

pytestmark = pytest.mark.slow  # a run is trained

PROMPTS = ["Day 3: ", "The wind of day 4 ", "x"]
STEPS = 12
PLAIN = """
import importlib.util, json, sys
from pathlib import Path
sys.path = [place for place in sys.path if not any((Path(place) / name).is_dir() for name in ("moft", "moft_llm"))]
sys.meta_path = [finder for finder in sys.meta_path if "editable" not in str(finder)]
assert importlib.util.find_spec("moft") is None and importlib.util.find_spec("moft_llm") is None
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

def generate(folder, base):
    adapter, words = folder, folder
    if (folder / "model").exists():
        base, adapter, words = folder / "model", folder / "adapter", folder / "model"
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
    model = PeftModel.from_pretrained(model, adapter).eval() if adapter.exists() else model
    tokenizer = AutoTokenizer.from_pretrained(words)
    rows = range(model.get_input_embeddings().weight.shape[0])
    unused = sorted(set(rows) - set(tokenizer.get_vocab().values()))  # which moft never chooses
    for prompt in json.loads(sys.argv[1]):
        ids = tokenizer(prompt, return_tensors="pt", return_token_type_ids=False)
        out = model.generate(**ids, max_new_tokens=STEPS, do_sample=False, pad_token_id=tokenizer.eos_token_id,
                             suppress_tokens=unused or None)
        yield [token for token in out[0].tolist()[ids["input_ids"].shape[1]:] if token != tokenizer.eos_token_id]

for line in sys.stdin:
    print("found:" + json.dumps(list(generate(*map(Path, json.loads(line))))), flush=True)
"""


@pytest.fixture(scope="module")
def generated_without_moft(tmp_path_factory):
    """Gives the tokens after each prompt, from a process that cannot import moft; one for all, for it is slow to start."""
    folder = tmp_path_factory.mktemp("plain")
    program = PLAIN.replace("STEPS", str(STEPS))
    words = [sys.executable, "-c", program, json.dumps(PROMPTS)]
    with (folder / "said").open("w") as said:
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, text=True, cwd=folder)

    def found(out, base):
        process.stdin.write(json.dumps([str(out), str(base)]) + "\n")
        process.stdin.flush()
        for line in process.stdout:
            if line.startswith("found:"):
                return json.loads(line.removeprefix("found:"))
        pytest.fail((folder / "said").read_text())

    yield found
    process.kill()
    process.wait()


def generated_with_moft(run, weights, dial="1"):
    opened = moft.open_run(run, device="cpu")
    with torch.no_grad():
        assignments = opened.policy.assignments(opened.tradeoff(weights, dial).expand(len(PROMPTS)))
    return generate(assignments, opened.task.prompt_template().tokenize(PROMPTS), Decoding(max_new_tokens=STEPS, greedy=True))


CASES = {
    "hpt over lora": ({}, "0.2,0.8"),
    "lora alone": ({"method": "{name: dpo-ls, points: 3}"}, "0.5,0.5"),
    "averaged lora and prompts": ({"method": "{name: dpo-soup}", "prompt_tokens": 3}, "0.3,0.7"),
    "hpt alone": ({"lora": "null"}, "1,0"),
    "hpt over gpt2": ({"model": "gpt2"}, "0.2,0.8"),
    "hpt over qwen3": ({"model": "qwen3"}, "0.2,0.8"),
    "gated lora": ({"method": "{name: cos-dpo, conditioner: hyper-lora}"}, "0.2,0.8"),
    "hpt over gated lora": ({"method": "{name: cos-dpo, conditioner: [hpt, hyper-lora]}", "model": "gpt2"}, "0.2,0.8"),
    "real weights": ({}, "0.2,0.8"),
    "lora over a base with an adapter": ({"method": "{name: dpo-ls, points: 3}"}, "0.5,0.5"),
    "hpt over a base with an adapter": ({}, "0.2,0.8"),
    "lora over gemma3": ({"method": "{name: dpo-ls, points: 3}"}, "0.5,0.5"),
    "hpt over llava": ({}, "0.2,0.8"),
}


@pytest.mark.parametrize("case", CASES)
def test_an_export_generates_the_same_tokens_without_moft(
    case, tuned, stories, with_adapter, multimodal, generated_without_moft, tmp_path, capsys
):
    settings, weights = CASES[case]
    if case == "real weights":
        settings = {"model": stories("stories260k")}
    if "with an adapter" in case:
        settings = settings | {"model": with_adapter}
    if case.endswith(("gemma3", "llava")):
        settings = settings | {"model": multimodal(case.rpartition(" ")[2])}
    run, out = tuned(**settings), tmp_path / "out"
    capsys.readouterr()
    assert main(["export", str(run), str(out), "--weights", weights]) == 0
    assert str(out) in capsys.readouterr().out
    expected = generated_with_moft(run, weights)
    base = moft.open_run(run).task.source["model"]
    assert generated_without_moft(out, base) == expected
    assert generated_with_moft(run, weights, dial="1e9") != expected  # the base model's
    has_prefix = (out / "adapter").exists()
    assert has_prefix == (case not in ("lora alone", "gated lora", "lora over a base with an adapter", "lora over gemma3"))
    assert (out / "model").exists() == (case not in ("lora alone", "gated lora"))
    files = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert {"README.md", "front.png"} <= files
    assert not any(name.endswith((".bin", ".pt", ".pkl")) for name in files)
    if "with an adapter" in case:
        assert "; an adapter (LORA) is merged into it. Its licence" in (out / "README.md").read_text()
    if not has_prefix and (out / "model").exists():
        return
    place = "adapter/" if has_prefix else ""
    assert {f"{place}adapter_config.json", f"{place}adapter_model.safetensors"} <= files
    named = json.loads((out / place / "adapter_config.json").read_text())["base_model_name_or_path"]
    assert named == ("model" if has_prefix else Path(base).name)
    for name in files:  # nothing tells where this machine keeps its files
        assert gettempdir().encode() not in (out / name).read_bytes(), name
        assert str(Path(base).parent).encode() not in (out / name).read_bytes(), name


@pytest.fixture
def run(tuned, capsys):
    path = tuned()
    capsys.readouterr()
    return path


def test_the_card_says_what_it_is_and_how_to_load_it(run, tmp_path):
    assert main(["export", str(run), str(tmp_path / "out"), "--weights", "brief=0.25,calm=0.75"]) == 0
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    header = card.split("---")[1]
    assert "library_name: peft" in header
    assert "# run at brief 0.25, calm 0.75" in card
    assert "PeftModel.from_pretrained(base" in card
    assert "![Front of the policy](front.png)" in card
    front = json.loads((run / "front.json").read_text(encoding="utf-8"))
    nearest = min(front["points"], key=lambda point: abs(point["weights"][0] - 0.25))
    assert f"| brief | {nearest['weights'][0]:.4g} | {nearest['values'][0]:.4g} (" in card
    assert (tmp_path / "out" / "front.png").read_bytes() == (run / "front.png").read_bytes()
    weights = list((tmp_path / "out").rglob("*.safetensors"))
    assert weights
    assert {path.stat().st_mode for path in weights} == {(tmp_path / "out" / "README.md").stat().st_mode}


def test_a_merged_model_ends_where_the_run_ends_turns(run, tmp_path, monkeypatch):
    monkeypatch.setattr("moft_llm.export.export.end_tokens", lambda model: {7, model.tokenizer.eos_token_id})
    assert main(["export", str(run), str(tmp_path / "out"), "--weights", "0.5,0.5"]) == 0
    saved = json.loads((tmp_path / "out" / "model" / "generation_config.json").read_text(encoding="utf-8"))
    assert saved["eos_token_id"] == [1, 7]


def test_the_run_is_as_it_was(run, tmp_path):
    before = generated_with_moft(run, "0.2,0.8")
    assert main(["export", str(run), str(tmp_path / "out"), "--weights", "0.2,0.8"]) == 0
    assert generated_with_moft(run, "0.2,0.8") == before


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "moft export needs --weights, such as --weights 0.5,0.5: an exported model has one tradeoff."),
        (["--weights", "1"], "--weights '1': 1 values for 2 objectives: brief, calm."),
        (["--weights", "1,0", "--as", "onnx"], "--as 'onnx': language models are exported as peft or llama.cpp, or --for vllm."),
        (["--weights", "1,0", "--dtype", "float16"], "--dtype 'float16' must be one of float32, bfloat16."),
        (
            ["--weights", "1,0", "--dial", "2"],
            "--dial: at this dial, each token also needs the base model, so it cannot be exported as one model. Use --dial 1.",
        ),
    ],
)
def test_a_mistake_is_told_in_one_line_and_leaves_nothing(words, told, run, tmp_path, capsys):
    assert main(["export", str(run), str(tmp_path / "out"), *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"moft: error: {told}")
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_the_temperature_that_can_be_exported_is_named(tuned, tmp_path, capsys):
    run = tuned("{name: cos-dpo, conditioner: hpt, betas: dirichlet}", prompt_tokens=2)
    capsys.readouterr()
    asked = ["export", str(run), str(tmp_path / "out"), "--weights", "0.5,0.5", "--dial"]
    assert main([*asked, "5"]) == 2
    factor = capsys.readouterr().err.rpartition("--dial ")[2].rstrip(".\n")
    assert main([*asked, factor]) == 0


def test_what_is_there_already_stays(run, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("x")
    assert main(["export", str(run), str(tmp_path / "out"), "--weights", "1,0"]) == 2
    assert "out: already exists. Choose another path or remove it." in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]


def test_an_empty_folder_is_filled(run, tmp_path, capsys):
    assert main(["export", str(run), str(tmp_path), "--weights", "1,0"]) == 0
    assert (tmp_path / "adapter").is_dir()


def test_an_export_that_fails_half_way_leaves_nothing(run, tmp_path, capsys, monkeypatch):
    def full(*arguments, **settings):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("moft_llm.export.export.write_prompt", full)
    assert main(["export", str(run), str(tmp_path / "out"), "--weights", "1,0"]) == 2
    assert "out: cannot be written (No space left on device)" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_weights_of_4_bits_are_not_merged(run, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(LLM, "source", {"model": "x", "gguf": None, "dtype": "auto", "quantization": "4bit"})
    assert main(["export", str(run), str(tmp_path / "out"), "--weights", "1,0"]) == 2
    assert "quantization: 4bit cannot be exported with a prefix" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3", "gpt2", "mistral"])
def test_merged_weights_give_the_logits_of_the_adapted_network(tiny_models, family):
    base, tokenizer = load_model(str(tiny_models(family)), device=torch.device("cpu"))
    shown = {"share_prompt": True, "length_normalization": False, "gradient_checkpointing": False}
    model = LanguageModel(base, tokenizer, tradeoff_size=2, lora=LoRA(rank=4, alpha=8), prompt_tokens=0, **shown).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
        tokens = torch.arange(5, 25).reshape(2, 10)
        expected, plain = model.network(tokens).logits, base(tokens).logits
        merged = merge_lora(model.network).network
        assert not any("lora" in name or "base_layer" in name for name in merged.state_dict())
        torch.testing.assert_close(merged(tokens).logits, expected, atol=1e-4, rtol=1e-4)
        assert (expected - plain).abs().max() > 1e-2
        torch.testing.assert_close(model.network(tokens).logits, expected)


def test_rounding_a_merged_model_is_told_and_float32_keeps_all(run, tmp_path, capsys):
    said = {}
    for name, words in {"own": [], "float32": ["--dtype", "float32"], "bfloat16": ["--dtype", "bfloat16"]}.items():
        assert main(["export", str(run), str(tmp_path / name), "--weights", "0.2,0.8", *words]) == 0
        said[name] = capsys.readouterr().out.splitlines()[0]
        kept = json.loads((tmp_path / name / "model" / "config.json").read_text())["dtype"]
        assert kept == ("bfloat16" if name == "bfloat16" else "float32")
    files = {name: tmp_path / name / "model" / "model.safetensors" for name in said}
    assert files["own"].read_bytes() == files["float32"].read_bytes()
    assert files["bfloat16"].stat().st_size < 0.6 * files["own"].stat().st_size
    assert said["float32"] == f"{tmp_path / 'float32' / 'model'}: the base model with LoRA merged, in float32."
    head = f"{tmp_path / 'bfloat16' / 'model'}: the base model with LoRA merged, in bfloat16. The rounding error is "
    assert said["bfloat16"].startswith(head)
    assert said["bfloat16"].endswith(" % of LoRA's change; --dtype float32 has none, and is twice as large.")


def test_an_adapter_alone_takes_no_dtype(tuned, tmp_path, capsys):
    run = tuned("{name: dpo-ls, points: 3}")
    capsys.readouterr()
    assert main(["export", str(run), str(tmp_path / "out"), "--weights", "0.5,0.5", "--dtype", "float32"]) == 2
    told = "--dtype float32 has no effect, because this export is only a float32 adapter. Leave it out."
    assert capsys.readouterr().err == f"moft: error: {told}\n"
    assert list(tmp_path.iterdir()) == []


def test_what_rounding_takes_of_a_merge_is_measured_and_a_float32_merge_loses_nothing(tiny_models):
    base, tokenizer = load_model(str(tiny_models()), dtype="bfloat16", device=torch.device("cpu"))
    shown = {"share_prompt": True, "length_normalization": False, "gradient_checkpointing": False}
    model = LanguageModel(base, tokenizer, tradeoff_size=2, lora=LoRA(rank=4, alpha=1), prompt_tokens=0, **shown).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.01)
    layers = {name: module for name, module in model.network.named_modules() if hasattr(module, "get_delta_weight")}
    found = {dtype: merge_lora(model.network, dtype=dtype) for dtype in (None, "float32")}
    changed, lost = 0.0, 0.0
    for name, layer in layers.items():
        delta = layer.get_delta_weight("default").float()
        exact = layer.get_base_layer().weight.float() + delta
        torch.testing.assert_close(found["float32"].network.get_submodule(name).weight, exact, atol=0, rtol=1e-6)
        rounded = found[None].network.get_submodule(name).weight
        assert rounded.dtype == torch.bfloat16
        changed, lost = changed + delta.square().sum(), lost + (rounded.float() - exact).square().sum()
    assert found[None].rounding_error == pytest.approx((lost / changed).sqrt().item(), rel=1e-3)
    assert found[None].rounding_error > 0.05
    assert (found[None].dtype, found["float32"].dtype, found["float32"].rounding_error) == ("bfloat16", "float32", 0.0)
    assert all(value.dtype == torch.float32 for value in found["float32"].network.state_dict().values())
