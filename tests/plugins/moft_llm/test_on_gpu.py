"""What only a GPU can show: flash attention of packed batches, compiled parts, 16 bits, memory that runs out, whole runs."""

from __future__ import annotations

import importlib.util
import json

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from moft.api import Injection
from moft.hooks.plugin_manager import Plugins
from moft.run.policy.open_run import open_run
from moft.run.run_config import read_settings
from moft.run.train import train_run
from moft_llm.loading.model_loading import load_model
from moft_llm.network.attention.packed_attention import packed_attention
from moft_llm.network.attention.sequence_packing import pack_rows
from moft_llm.network.language_model import LanguageModel
from moft_llm.network.lora import LoRA

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]

CONFIG = """\
task:
  name: llm
  model: {model}
  data: {{name: lists, path: {data}}}
  objectives: {{brief: {{}}, calm: {{}}}}
  lora: {{rank: 4, alpha: 8}}
  tokens_per_batch: 512
  {task}
method: {method}
trainer: {{epochs: 4, learning_rate: 0.02, evaluations: 2, checkpoint_steps: 5, {trainer}}}
profile: {{evaluator: preference, points: 3, bootstrap_samples: 100}}
"""

BOTH = "{name: cos-dpo, conditioner: [hpt, hyper-lora]}"


@pytest.fixture
def device():
    return torch.device("cuda")


@pytest.fixture
def built(tiny_models, device):
    """A model whose LoRA is away from its start, in bfloat16 on the GPU."""

    def model(family="llama", dtype="bfloat16", **settings):
        base, tokenizer = load_model(str(tiny_models(family)), device=device, dtype=dtype)
        torch.manual_seed(3)
        given = {"tradeoff_size": 3, "lora": LoRA(rank=4, alpha=8.0), "prompt_tokens": 0, "share_prompt": True}
        given |= {"length_normalization": False, "gradient_checkpointing": False}
        made = LanguageModel(base, tokenizer, **{**given, **settings}).to(device)
        for name, parameter in made.named_parameters():
            if "lora_B" in name:
                nn.init.normal_(parameter, std=0.2)
        return made

    return model


@pytest.fixture
def trained(tiny_models, made_up_lists, tmp_path):
    """The folder of a run on the GPU."""

    def run(method=BOTH, task="dtype: bfloat16", trainer="precision: bf16", name="run", **changes):
        made_up_lists(tmp_path / "lists.jsonl")
        settings = {
            "model": tiny_models(**changes),
            "data": tmp_path / "lists.jsonl",
            "method": method,
            "task": task,
            "trainer": trainer,
        }
        (tmp_path / "config.yaml").write_text(CONFIG.format(**settings), encoding="utf-8")
        plugins = Plugins()
        plugins.load(disable=["console"])
        train_run(read_settings(tmp_path / "config.yaml", [], plugins), tmp_path / name, plugins)
        return tmp_path / name

    return run


def segments_of(rows, sizes, generator):
    lengths = torch.randint(1, sizes, (rows, 3), generator=generator)
    own = [torch.cat([torch.full((int(size),), number) for number, size in enumerate(row)]) for row in lengths]
    return nn.utils.rnn.pad_sequence(own, batch_first=True, padding_value=-1)


def inputs(device, rows=4, sizes=40):
    generator = torch.Generator().manual_seed(0)
    segments = segments_of(rows, sizes, generator)
    tokens = torch.randint(2, 250, segments.shape, generator=generator)
    found = {"tokens": tokens, "segments": segments, "items": torch.ones(rows, 2, dtype=torch.bool)}
    return {name: value.to(device) for name, value in found.items()}


def injected(model, device, rows=4):
    generator = torch.Generator().manual_seed(1)
    gates = {layer: 1 + torch.randn(rows, rank, generator=generator) for layer, rank in model.spec.ranks.items()}
    prefix = 0.3 * torch.randn(rows, 3, 32, generator=generator)
    return Injection(
        prefix=prefix.to(device).requires_grad_(), gates={layer: own.to(device).requires_grad_() for layer, own in gates.items()}
    )


def score_responses(model, batch, injection):
    """Scores, and the gradients of all that is trained or injected, in one vector each."""
    scores = model(batch, injection)
    parts = [*(one for one in model.parameters() if one.requires_grad), injection.prefix, *injection.gates.values()]
    found = torch.autograd.grad((scores * torch.tensor([1.0, -0.5], device=scores.device)).sum(), parts)
    return scores.detach(), torch.cat([one.flatten().float() for one in found])


def apart(found, expected):
    return float((found.float() - expected.float()).norm() / expected.float().norm())


@pytest.mark.parametrize(("heads", "groups", "width"), [(4, 4, 64), (8, 2, 64), (4, 1, 128), (2, 2, 8)])
@pytest.mark.parametrize("shared", [True, False])
def test_flash_attention_of_packed_sequences_is_what_one_by_one_gives(device, heads, groups, width, shared):
    generator = torch.Generator().manual_seed(0)
    packing = pack_rows(segments_of(5, 300, generator).to(device), 4, shared=shared).packing
    count = int(packing.query_starts[-1])
    rough = [torch.randn(count, own, width, generator=generator).to(device, torch.bfloat16) for own in (heads, groups, groups)]
    weights = torch.randn(count, heads, width, generator=generator).to(device)
    found = []
    for parts in (rough, [part.double() for part in rough]):
        own = [part.clone().requires_grad_() for part in parts]
        output = packed_attention(*own, packing, width**-0.5)
        found.append([output, *torch.autograd.grad((output.double() * weights).sum(), own)])
    for ours, exact in zip(*found, strict=True):
        assert apart(ours, exact) < 1e-2


@pytest.mark.parametrize(("family", "rank"), [("llama", 4), ("llama", 64), ("qwen3", 4), ("gpt2", 4)])
@pytest.mark.parametrize("share_prompt", [True, False])
def test_packed_scores_and_gradients_are_as_near_to_exact_ones_as_padded_are(
    built, device, family, rank, share_prompt, monkeypatch
):
    batch = inputs(device)
    more = {"share_prompt": share_prompt, "lora": LoRA(rank=rank, alpha=2.0 * rank)}
    exact = built(family, "float32", **more)
    expected = score_responses(exact, batch, injected(exact, device))
    model = built(family, **more)
    assert model._can_pack()
    ours = score_responses(model, batch, injected(model, device))
    monkeypatch.setattr(LanguageModel, "_can_pack", lambda self: False)
    padded = score_responses(model, batch, injected(model, device))
    for own, plain, wanted in zip(ours, padded, expected, strict=True):
        assert apart(own, wanted) < max(1.5 * apart(plain, wanted), 0.02)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_compiled_parts_score_as_they_do_uncompiled(built, device, checkpointing):
    batch = inputs(device)
    plain, compiled = (built(is_compiled=given, gradient_checkpointing=checkpointing) for given in (False, True))
    with torch.autocast("cuda", dtype=torch.bfloat16):
        expected, found = (score_responses(model, batch, injected(model, device)) for model in (plain, compiled))
    for ours, theirs in zip(found, expected, strict=True):
        assert apart(ours, theirs) < 0.03


@pytest.mark.parametrize("more", ["dtype: bfloat16", "{dtype: bfloat16, compile: true, gradient_checkpointing: true}"])
def test_a_run_on_the_gpu_is_trained_measured_and_opened_again(trained, more):
    folder = trained(task=more.strip("{}").replace(", ", "\n  "))
    versions = json.loads((folder / "versions.json").read_text())
    assert versions["device"] == torch.cuda.get_device_name()
    steps = [json.loads(line) for line in (folder / "steps.jsonl").read_text().splitlines()]
    losses = [one["loss"] for one in steps if one.get("job") == "policy"]
    assert sum(losses[-4:]) < sum(losses[:4])
    plugins = Plugins()
    plugins.load(disable=["console"])
    opened = open_run(folder, plugins)
    assert next(opened.policy.parameters()).is_cuda


@pytest.mark.parametrize(
    ("method", "more"),
    [("{name: dpo-ls, points: 3}", ""), ("dpo-soup", ""), ("mo-dpo", ""), ("dpo-soup", "\n  gradient_checkpointing: true")],
)
def test_baselines_are_trained_side_by_side_on_the_gpu(trained, method, more):
    front = json.loads((trained(method=method, task=f"dtype: bfloat16{more}") / "front.json").read_text())
    assert all(torch.isfinite(torch.tensor(point["values"])).all() for point in front["points"])


def test_a_batch_of_sixteen_tradeoffs_writes_what_single_runs_do(trained):
    from moft.api import Tradeoff
    from moft_llm.generation.decoding import Decoding
    from moft_llm.generation.generate import generate
    from moft_llm.generation.log_probabilities import log_probabilities

    folder = trained(task="dtype: float32", trainer="precision: float32")
    plugins = Plugins()
    plugins.load(disable=["console"])
    policy = open_run(folder, plugins).policy
    shares = torch.linspace(0, 1, 16)
    weights = torch.stack([shares, 1 - shares], 1).cuda()
    tradeoff = Tradeoff(weights, policy.betas.expand(16, -1))
    prompts = [[5 + row, 9, *range(20, 20 + row % 5)] for row in range(16)]
    greedy = Decoding(max_new_tokens=12, greedy=True)
    together = generate(policy.assignments(tradeoff), prompts, greedy)
    rows = [torch.tensor([row], device="cuda") for row in range(16)]
    alone = [generate(policy.assignments(tradeoff.select(row)), [prompts[int(row)]], greedy)[0] for row in rows]
    assert together == alone
    own, _ = log_probabilities(policy.assignments(tradeoff), prompts, together)
    single = [
        log_probabilities(policy.assignments(tradeoff.select(row)), [prompts[int(row)]], [together[int(row)]])[0] for row in rows
    ]
    assert_close(own, torch.cat(single), atol=1e-4, rtol=1e-4)


def test_memory_that_runs_out_is_told_in_one_line(trained, match, tmp_path):
    from moft import RunError

    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(24e6 / total)
    try:
        with pytest.raises(RunError) as raised:
            trained(name="short")
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert match(r"out of memory \([\d.]+ \wiB more were requested\)\. .*lower task\.tokens_per_batch \(512\)", str(raised.value))
    assert "\n" not in str(raised.value)


@pytest.mark.skipif(importlib.util.find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed")
def test_a_base_of_4_bits_is_trained_and_measured(trained):
    folder = trained(
        method="{name: cos-dpo, conditioner: hyper-lora}", task="dtype: bfloat16\n  quantization: 4bit", hidden_size=128
    )
    assert json.loads((folder / "front.json").read_text())["points"]
