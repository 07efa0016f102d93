"""Language models score responses as their own logits do, however prompts are encoded and prefixes are mixed."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from moft import ConfigError, ShapeError
from moft.api import DedicatedModels, Injection
from moft_llm.loading.model_loading import load_model
from moft_llm.network import language_model
from moft_llm.network.language_model import LanguageModel
from moft_llm.network.lora import LoRA

FAMILIES = ["llama", "qwen2", "qwen3", "gpt2", "mistral"]
CLOSE = {"atol": 1e-4, "rtol": 1e-4}


@pytest.fixture
def built(tiny_models):
    """A model of a family, after LoRA has moved away from its start where `moved`."""

    def model(family="llama", *, moved=True, changes=None, folder=None, **settings):
        base, tokenizer = load_model(str(folder or tiny_models(family, **(changes or {}))), device=torch.device("cpu"))
        torch.manual_seed(3)
        given = {
            "tradeoff_size": 2,
            "lora": LoRA(rank=4, alpha=8.0),
            "prompt_tokens": 0,
            "share_prompt": True,
            "length_normalization": False,
            "gradient_checkpointing": False,
        }
        made = LanguageModel(base, tokenizer, **{**given, **settings})
        if moved:
            for name, parameter in made.named_parameters():
                if "lora_B" in name:
                    nn.init.normal_(parameter, std=0.2)
        return made

    return model


def row(generator, prompt, *responses):
    lengths = [prompt, *responses]
    segments = torch.cat([torch.full((length,), number) for number, length in enumerate(lengths)])
    return torch.randint(2, 250, (sum(lengths),), generator=generator), segments


def batch(rows, *, padding=0, list_length=3):
    time = max(len(tokens) for tokens, _ in rows) + padding
    inputs = {
        "tokens": torch.full((len(rows), time), 1),
        "segments": torch.full((len(rows), time), -1),
        "items": torch.zeros(len(rows), list_length, dtype=torch.bool),
    }
    for index, (tokens, segments) in enumerate(rows):
        inputs["tokens"][index, : len(tokens)] = tokens
        inputs["segments"][index, : len(tokens)] = segments
        inputs["items"][index, : int(segments.max())] = True
    return inputs


@pytest.fixture
def rows():
    generator = torch.Generator().manual_seed(0)
    return [row(generator, 5, 3, 6, 1), row(generator, 9, 4, 2), row(generator, 1, 7, 7, 2)]


def prefixes(count, hidden, p=3):
    return Injection(prefix=0.3 * torch.randn(count, p, hidden, generator=torch.Generator().manual_seed(1)))


def slowly(model, rows, injection, *, mean=False):
    """One response at a time, from the network's own logits."""
    scores = torch.zeros(len(rows), 3)
    for index, (tokens, segments) in enumerate(rows):
        ahead = model.prefix(len(rows), injection)
        for response in range(1, int(segments.max()) + 1):
            own, prompt = tokens[(segments == 0) | (segments == response)], int((segments == 0).sum())
            embedded = model.network.get_input_embeddings()(own[None])
            p = 0 if ahead is None else ahead.shape[1]
            embedded = embedded if ahead is None else torch.cat([ahead[index : index + 1], embedded], 1)
            logits = model.network(inputs_embeds=embedded).logits.float().log_softmax(-1)
            each = logits[0, p + prompt - 1 : -1].gather(1, own[prompt:, None])
            scores[index, response - 1] = each.mean() if mean else each.sum()
    return scores


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("share_prompt", [True, False])
@pytest.mark.parametrize("has_prefix", [True, False])
def test_scores_are_sums_of_the_networks_own_log_probabilities(built, rows, family, share_prompt, has_prefix):
    model = built(family, share_prompt=share_prompt, prompt_tokens=2 if has_prefix else 0)
    injection = prefixes(3, 32) if has_prefix else Injection()
    with torch.no_grad():
        assert_close(model(batch(rows), injection), slowly(model, rows, injection), **CLOSE)


@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_are_the_same_however_prompts_are_encoded(built, rows, family):
    found = []
    for share_prompt in (True, False):
        model = built(family, share_prompt=share_prompt, prompt_tokens=2)
        injection = prefixes(3, 32)
        injection.prefix.requires_grad_()
        (model(batch(rows), injection) * torch.tensor([1.0, -0.5, 2.0])).sum().backward()
        own = {name: value.grad for name, value in model.named_parameters() if value.requires_grad}
        assert all(value is not None and value.abs().sum() > 0 for value in own.values())
        found.append({**own, "injected": injection.prefix.grad})
    assert_close(*found, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("share_prompt", [True, False])
def test_rows_with_prefixes_of_their_own_score_as_they_do_alone(built, rows, share_prompt):
    model, injection = built(share_prompt=share_prompt), prefixes(3, 32)
    with torch.no_grad():
        together = model(batch(rows), injection)
        alone = [model(batch([one]), Injection(prefix=injection.prefix[i : i + 1])) for i, one in enumerate(rows)]
    assert_close(together, torch.cat(alone), **CLOSE)
    with torch.no_grad():
        assert not torch.allclose(together, model(batch(rows), prefixes(1, 32)), atol=1e-2)


@pytest.mark.parametrize("share_prompt", [True, False])
def test_padding_changes_nothing(built, rows, share_prompt):
    model, injection = built(share_prompt=share_prompt), prefixes(3, 32)
    padded = batch(rows, padding=7)
    padded["tokens"][padded["segments"] < 0] = 77
    with torch.no_grad():
        assert_close(model(padded, injection), model(batch(rows), injection))


def test_a_response_that_is_missing_scores_zero(built, rows):
    with torch.no_grad():
        assert built()(batch(rows), Injection())[1, 2] == 0


def test_length_normalization_takes_means(built, rows):
    model = built(length_normalization=True)
    with torch.no_grad():
        assert_close(model(batch(rows), Injection()), slowly(model, rows, Injection(), mean=True), **CLOSE)


@pytest.mark.parametrize("family", FAMILIES)
def test_lora_starts_at_the_reference(built, rows, family):
    model = built(family, moved=False)
    with torch.no_grad():
        assert_close(model(batch(rows), Injection()), model.reference(batch(rows)))


@pytest.mark.parametrize("family", FAMILIES)
def test_the_reference_is_the_base_whatever_was_trained(built, rows, family):
    model = built(family, prompt_tokens=3)
    plain = built(family, lora=None)
    with torch.no_grad():
        expected = slowly(plain, rows, Injection())
        assert not torch.allclose(model(batch(rows), Injection()), expected, atol=1e-2)
    assert_close(model.reference(batch(rows)), expected, **CLOSE)
    assert all(value.requires_grad for name, value in model.named_parameters() if "lora" in name)


def test_what_was_frozen_stays_frozen_when_adapters_are_back(built):
    model = built().requires_grad_(False)
    with model.without_adapters():
        pass
    assert not any(value.requires_grad for value in model.parameters())


def test_only_lora_and_the_prompt_are_trained_and_both_are_float32(built):
    model = built("gpt2", prompt_tokens=3)
    trained = {name: value for name, value in model.named_parameters() if value.requires_grad}
    ends = ("attn.c_attn", "attn.c_proj")
    expected = {f"network.transformer.h.{i}.{end}.lora_{a}.default.weight" for i in range(2) for end in ends for a in "AB"}
    assert set(trained) == {"prompt", *expected}
    assert {value.dtype for value in trained.values()} == {torch.float32}


def test_copies_share_what_is_frozen_and_nothing_else(built, rows):
    model = built(prompt_tokens=2)
    frozen = {id(value): value for value in model.parameters() if not value.requires_grad}
    twin = deepcopy(model, frozen)
    assert twin.tokenizer is model.tokenizer
    for (name, own), (_, other) in zip(model.named_parameters(), twin.named_parameters(), strict=True):
        assert (own is other) == (not own.requires_grad), name
    with torch.no_grad():
        before = model(batch(rows), Injection())
        assert_close(twin(batch(rows), Injection()), before)
        for value in twin.parameters():
            if value.requires_grad:
                value.add_(0.3)
        assert not torch.allclose(twin(batch(rows), Injection()), before, atol=1e-2)
        assert_close(model(batch(rows), Injection()), before)


def test_two_models_of_one_base_leave_it_and_each_other_alone(tiny_models, rows):
    base, tokenizer = load_model(str(tiny_models()), device=torch.device("cpu"))
    names = [name for name, _ in base.named_modules()]
    settings = {"prompt_tokens": 0, "share_prompt": True, "length_normalization": False, "gradient_checkpointing": False}
    first, second = (LanguageModel(base, tokenizer, tradeoff_size=2, lora=LoRA(rank=2), **settings) for _ in range(2))
    assert [name for name, _ in base.named_modules()] == names
    own = base.get_input_embeddings().weight
    assert first.network.get_input_embeddings().weight is second.network.get_input_embeddings().weight is own


def test_models_side_by_side_score_as_one_after_the_other(built, rows):
    models = DedicatedModels(built(prompt_tokens=2), 2)
    with torch.no_grad():
        for value in models[1].parameters():
            if value.requires_grad:
                value.add_(0.1)
    trained = [{name: value for name, value in model.named_parameters() if value.requires_grad} for model in models.models]
    stacked = {name: torch.stack([own[name] for own in trained]) for name in trained[0]}
    inputs = batch(rows)
    call = torch.func.functional_call
    together = torch.vmap(lambda own: call(models[0], own, (inputs, Injection())))(stacked)
    alone = torch.stack([model(inputs, Injection()) for model in models.models])
    assert_close(together, alone, **CLOSE)
    weights = torch.tensor([1.0, -0.5, 2.0])
    ours = torch.autograd.grad((together * weights).sum(), [own["prompt"] for own in trained])
    theirs = torch.autograd.grad((alone * weights).sum(), [own["prompt"] for own in trained])
    assert_close(ours, theirs, atol=1e-3, rtol=1e-3)


def test_training_draws_no_dropout_of_the_base(built, rows):
    model = built("gpt2", changes={"attn_pdrop": 0.5, "resid_pdrop": 0.5, "embd_pdrop": 0.5})
    assert model.training
    with torch.no_grad():
        assert_close(model(batch(rows), Injection()), model.eval()(batch(rows), Injection()))


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_gradient_checkpointing_gives_the_same_gradients(built, rows, family):
    found = []
    for checkpointing in (False, True):
        model = built(family, gradient_checkpointing=checkpointing, prompt_tokens=2)
        calls = []
        model.network.get_decoder().get_submodule("layers" if family == "llama" else "h")[0].mlp.register_forward_pre_hook(
            lambda *_, calls=calls: calls.append(1)
        )
        (model(batch(rows), Injection()) * torch.tensor([1.0, -0.5, 2.0])).sum().backward()
        assert len(calls) == 1 + checkpointing
        found.append({name: value.grad for name, value in model.named_parameters() if value.requires_grad})
    assert_close(*found)


def test_rows_beyond_a_sliding_window_are_taken_apart(built, rows):
    model = built("mistral", changes={"sliding_window": 8})
    with torch.no_grad():
        assert_close(model(batch(rows), Injection()), slowly(model, rows, Injection()), **CLOSE)
        whole = built("mistral")
        assert not torch.allclose(slowly(whole, rows, Injection()), slowly(model, rows, Injection()), atol=1e-2)


def test_rows_that_are_very_long_are_taken_apart(built, rows, monkeypatch):
    model, injection = built(), prefixes(3, 32)
    shared = model(batch(rows), injection)
    monkeypatch.setattr(language_model, "MAX_SHARED", 8)
    seen = []
    separate = language_model.separate_responses
    monkeypatch.setattr(language_model, "separate_responses", lambda *parts: seen.append(parts) or separate(*parts))
    assert_close(model(batch(rows), injection), shared, **CLOSE)
    assert len(seen) == 1


def test_rows_beyond_the_local_layers_of_gpt_neo_are_taken_apart(built):
    generator = torch.Generator().manual_seed(0)
    rows = [row(generator, 60, 90, 90, 90)]
    model = built("gpt_neo", changes={"attention_types": ((("global", "local"), 1),)}, lora=None)
    with torch.no_grad():
        assert_close(model(batch(rows), Injection()), slowly(model, rows, Injection()), atol=1e-3, rtol=1e-4)


def test_a_model_that_cannot_generate_from_embeddings_takes_no_prefix(built, monkeypatch, match):
    assert built().generation_fault is None
    monkeypatch.setattr("moft_llm.network.language_model.generation_fault", lambda network: "ValueError: no way")
    model = built()
    assert model.spec.slots == {"gates"}
    assert model.generation_fault == "LlamaForCausalLM cannot generate from embeddings (ValueError: no way)."
    with pytest.raises(ConfigError) as raised:
        built(prompt_tokens=2)
    assert match(r"^prompt_tokens: LlamaForCausalLM cannot generate .* \(.*\)\. Set prompt_tokens: 0\.$", str(raised.value))


def test_a_softly_bounded_head_scores_as_its_own_logits_do(built, rows):
    changes = {"head_dim": 8, "final_logit_softcapping": 0.7, "attn_logit_softcapping": 50.0, "sliding_window": 64}
    model = built("gemma2", changes=changes)
    with torch.no_grad():
        assert_close(model(batch(rows), prefixes(3, 32)), slowly(model, rows, prefixes(3, 32)), **CLOSE)


def test_a_scaled_head_scores_as_its_own_logits_do(built, rows):
    model = built("granite", changes={"logits_scaling": 3.0, "embedding_multiplier": 2.0})
    with torch.no_grad():
        assert_close(model(batch(rows), Injection()), slowly(model, rows, Injection()), **CLOSE)


def test_an_architecture_without_positions_of_its_own_choice_does_not_share_prompts(built, match):
    with pytest.raises(ConfigError) as raised:
        built("bloom", changes={"n_layer": 2, "n_head": 4}, share_prompt=True)
    assert match(r"^share_prompt: BloomForCausalLM .*Set share_prompt: false", str(raised.value))


def test_base_weights_of_16_bits_have_adapters_of_32(tiny_models, rows):
    base, tokenizer = load_model(str(tiny_models()), dtype="bfloat16", device=torch.device("cpu"))
    settings = {"prompt_tokens": 2, "share_prompt": True, "length_normalization": False, "gradient_checkpointing": False}
    model = LanguageModel(base, tokenizer, tradeoff_size=2, lora=LoRA(rank=4), **settings)
    scores = model(batch(rows), prefixes(3, 32))
    scores.sum().backward()
    assert scores.dtype == torch.float32
    assert {(value.dtype, value.grad.dtype) for value in model.parameters() if value.requires_grad} == {(torch.float32,) * 2}
    assert_close(scores, slowly(model, rows, prefixes(3, 32)), atol=0.5, rtol=0.05)


def test_the_spec_offers_embeddings_of_tokens_that_are_not_special(built):
    model = built()
    table = model.network.get_input_embeddings().weight
    assert model.spec.slots == {"prefix", "gates"}
    assert model.spec.hidden_size == 32
    assert_close(model.spec.prefix_starts, table[2:258].float())


def test_the_prompt_starts_at_embeddings_of_tokens(built):
    model = built(prompt_tokens=4)
    assert all((model.spec.prefix_starts == start).all(1).any() for start in model.prompt)


def test_a_prefix_of_another_width_is_refused(built, rows, match):
    with pytest.raises(ShapeError) as raised:
        built()(batch(rows), prefixes(3, 16))
    assert match(r"must be \[3, p, 32\], got \[3, 3, 16\]", str(raised.value))
    with pytest.raises(ShapeError):
        built()(batch(rows), prefixes(2, 32))


def test_a_row_beyond_learned_positions_is_refused(built, match):
    model = built("gpt2", changes={"n_positions": 16})
    with torch.no_grad():
        model(batch([row(torch.Generator(), 6, 8, 8)]), Injection(prefix=torch.zeros(1, 2, 32)))
        with pytest.raises(ShapeError) as raised:
            model(batch([row(torch.Generator(), 6, 8, 8)]), Injection(prefix=torch.zeros(1, 3, 32)))
    assert match(r"^a row has 17 tokens, 3 of them a prefix; the model has positions for 16 tokens", str(raised.value))


def test_real_weights_score_alike_both_ways(built, stories, rows):
    for share_prompt in (True, False):
        model = built(folder=stories("stories260k"), share_prompt=share_prompt)
        with torch.no_grad():
            assert_close(model(batch(rows), prefixes(3, 64)), slowly(model, rows, prefixes(3, 64)), **CLOSE)
