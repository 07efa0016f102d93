"""A running batch: rows that join and leave between steps get the tokens that they get alone, whatever the architecture."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from transformers import AutoConfig

from moft import RunError
from moft.api import Assignment, EncodedPrompt, Injection, TextRequest, TokenSampling, Tradeoff
from moft_llm.generation.decoding import Decoding
from moft_llm.generation.generate import generate
from moft_llm.loading.model_loading import load_model
from moft_llm.network.language_model import LanguageModel
from moft_llm.network.lora import LoRA
from moft_llm.serving.cached_rows import can_join
from moft_llm.serving.conditioning import Conditioned
from moft_llm.serving.event_queue import EventQueue
from moft_llm.serving.row import Row
from moft_llm.serving.running_batch import RunningBatch
from moft_llm.serving.token_scores import TokenScores

DIVISORS = (1.0, 2.0, float("inf"), 1.0, 0.5, 1.0)
LENGTHS = (3, 14, 1, 9, 6, 2)
TOKENS = (12, 4, 9, 6, 2, 12)
NOWHERE = Tradeoff(torch.ones(1, 1), torch.ones(1, 1))


def language_model(folder):
    base, tokenizer = load_model(str(folder), device=torch.device("cpu"))
    torch.manual_seed(11)
    settings = {"share_prompt": False, "length_normalization": False, "gradient_checkpointing": False}
    model = LanguageModel(base, tokenizer, tradeoff_size=2, lora=LoRA(rank=4, alpha=8), prompt_tokens=0, **settings)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return model.eval()


def injection(model, place):
    """A prefix and gates of one row."""
    draw = torch.Generator().manual_seed(place)
    starts = model.spec.prefix_starts
    prefix = starts[torch.randint(len(starts), (1, 3), generator=draw)]
    gates = {layer: 1 + torch.randn(1, rank, generator=draw) for layer, rank in model.spec.ranks.items()}
    return Injection(prefix=prefix, gates=gates)


def rows_of(model):
    draw = torch.Generator().manual_seed(2)
    rows = []
    for place, (divisor, length, tokens) in enumerate(zip(DIVISORS, LENGTHS, TOKENS, strict=True)):
        prompt = EncodedPrompt(tuple(torch.randint(5, 250, (length,), generator=draw).tolist()))
        request = TextRequest(prompt, NOWHERE, tokens, TokenSampling(temperature=0))
        row = Row(request, EventQueue(lambda: None), model.tokenizer)
        row.condition(Conditioned(model, injection(model, place), divisor, divisor == 1))
        rows.append(row)
    return rows


def alone(model, row):
    one = row.conditioned
    assignment = Assignment(torch.tensor([0]), model, one.injected, torch.tensor([[one.divisor]]))
    return generate([assignment], [row.request.prompt.tokens], Decoding(row.request.max_tokens, greedy=True))[0]


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        ("llama", {}),
        ("gpt2", {}),
        ("mistral", {"sliding_window": 8}),
        ("gemma3_text", {"sliding_window": 8, "sliding_window_pattern": 2, "head_dim": 8}),
    ],
)
def test_rows_get_the_tokens_that_they_get_alone(tiny_models, family, changes):
    model = language_model(tiny_models(family, **changes))
    assert can_join(model)
    rows, scores = rows_of(model), TokenScores(model.tokenizer)
    expected = [alone(model, row) for row in rows]
    batch = RunningBatch(model, scores)
    with torch.no_grad():
        batch.begin(rows[:2])
        batch.drop()
        for new in (rows[2:4], [], rows[4:], [], []):
            batch.step()
            batch.drop()
            if new:
                others = RunningBatch(model, scores)
                others.begin(new)
                others.drop()
                batch.join(others)
        while batch.rows:
            batch.step()
            batch.drop()
    assert [row.tokens for row in rows] == expected
    assert len({tuple(row.tokens) for row in rows}) == len(rows)


def test_a_row_without_numbers_ends_alone(tiny_models):
    model = language_model(tiny_models("llama"))
    good, broken = (rows_of(model)[place] for place in (0, 3))
    expected = alone(model, good)
    injected = broken.conditioned.injected
    nowhere = Injection(prefix=injected.prefix * torch.nan, gates=injected.gates)
    broken.condition(replace(broken.conditioned, injected=nowhere))
    batch = RunningBatch(model, TokenScores(model.tokenizer))
    with torch.no_grad():
        batch.begin([broken, good])
        batch.drop()
        while batch.rows:
            batch.step()
            batch.drop()
    assert good.tokens == expected
    assert broken.tokens == []
    with pytest.raises(RunError, match="the model computes no number at these weights and this dial"):
        list(broken.stream)


def test_a_prompt_of_several_texts_is_read_once(tiny_models):
    model = language_model(tiny_models("llama"))
    rows = rows_of(model)
    first = rows[0]
    for row in rows[1:4]:
        row.request, row.conditioned = first.request, first.conditioned
    read = []
    hook = model.network.get_decoder().register_forward_pre_hook(
        lambda _, __, inputs: read.append(len(inputs["inputs_embeds"])), with_kwargs=True
    )
    batch = RunningBatch(model, TokenScores(model.tokenizer))
    with torch.no_grad():
        batch.begin([*rows[:4], rows[5]])
        hook.remove()
        assert read == [2]
        while batch.rows:
            batch.drop()
            batch.step() if batch.rows else None
    assert [row.tokens for row in rows[:4]] == [alone(model, first)] * 4
    assert rows[5].tokens == alone(model, rows[5])


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        ("llama4_text", {"attention_chunk_size": 8, "num_local_experts": 2, "intermediate_size_mlp": 48, "head_dim": 8}),
        ("qwen3_next", {}),
    ],
)
def test_models_with_other_states_than_keys_and_values_are_told_apart(family, changes):
    config = AutoConfig.for_model(family, num_hidden_layers=4, **changes)
    network = SimpleNamespace(config=config)
    assert not can_join(SimpleNamespace(network=network))
