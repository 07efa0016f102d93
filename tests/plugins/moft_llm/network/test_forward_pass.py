"""Packed passes score as padded ones do, with the same gradients, whatever goes before and within them."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from moft import ShapeError
from moft.api import Batch, ConditionedPolicy, DedicatedModels, Injection, Tradeoff
from moft_llm.generation.decoding import Decoding
from moft_llm.generation.generate import generate
from moft_llm.generation.log_probabilities import log_probabilities
from moft_llm.loading.model_loading import load_model
from moft_llm.network import forward_pass, lm_head
from moft_llm.network.language_model import LanguageModel
from moft_llm.network.lora import LoRA

FAMILIES = ["llama", "qwen2", "qwen3", "gpt2", "mistral"]
WEIGHTS = torch.tensor([1.0, -0.5, 2.0])


@pytest.fixture
def built(tiny_models):
    """A model of a family whose LoRA is away from its start."""

    def model(family="llama", *, changes=None, **settings):
        base, tokenizer = load_model(str(tiny_models(family, **(changes or {}))), device=torch.device("cpu"))
        torch.manual_seed(3)
        given = {"tradeoff_size": 3, "lora": LoRA(rank=4, alpha=8.0), "prompt_tokens": 0, "share_prompt": True}
        given |= {"length_normalization": False, "gradient_checkpointing": False}
        made = LanguageModel(base, tokenizer, **{**given, **settings})
        for name, parameter in made.named_parameters():
            if "lora_B" in name:
                nn.init.normal_(parameter, std=0.2)
        return made

    return model


@pytest.fixture
def ways(monkeypatch):
    """What `act` gives from padded rows, and from packed ones."""

    def both(act):
        found = []
        for packs in (False, True):
            monkeypatch.setattr(LanguageModel, "_can_pack", lambda self, packs=packs: packs and self._is_packable)
            found.append(act())
        return found

    return both


def inputs(rows=3, responses=3):
    """Prompts and responses of several lengths; the last list has a response less."""
    generator = torch.Generator().manual_seed(0)
    found = {"tokens": torch.ones(rows, 24, dtype=torch.int64), "segments": torch.full((rows, 24), -1)}
    found["items"] = torch.ones(rows, responses, dtype=torch.bool)
    found["items"][-1, -1] = responses == 1
    for row in range(rows):
        count = int(found["items"][row].sum())
        lengths = [3 + row % 5, *torch.randint(1, 6, (count,), generator=generator).tolist()]
        own = torch.cat([torch.full((length,), number) for number, length in enumerate(lengths)])
        found["segments"][row, : len(own)] = own
        found["tokens"][row, : len(own)] = torch.randint(2, 250, (len(own),), generator=generator)
    return found


def injected(model, rows=3, *, prefix=0, gates=False):
    generator = torch.Generator().manual_seed(1)
    ranks = model.spec.ranks if gates else {}
    own = {layer: (1 + torch.randn(rows, rank, generator=generator)).requires_grad_() for layer, rank in ranks.items()}
    before = (0.3 * torch.randn(rows, prefix, 32, generator=generator)).requires_grad_() if prefix else None
    return Injection(prefix=before, gates=own)


def score_responses(model, injection, batch):
    """Scores, and the gradients of all that is trained or injected."""
    scores = model(batch, injection)
    trained = [one for one in model.parameters() if one.requires_grad]
    more = [*injection.gates.values(), *([] if injection.prefix is None else [injection.prefix])]
    return [scores, *torch.autograd.grad((scores * WEIGHTS[: scores.shape[1]]).sum(), [*trained, *more])]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("share_prompt", [True, False])
@pytest.mark.parametrize("more", [{}, {"prefix": 2, "gates": True}])
def test_packed_passes_score_as_padded_ones(built, ways, family, share_prompt, more):
    model = built(family, share_prompt=share_prompt, prompt_tokens=1 if more else 0)
    assert model._is_packable
    injection = injected(model, **more)
    assert_close(*ways(lambda: score_responses(model, injection, inputs())), atol=1e-3, rtol=1e-3)


def test_lists_of_one_response_are_packed_too(built, ways):
    model = built()
    assert_close(*ways(lambda: score_responses(model, injected(model, prefix=2), inputs(responses=1))), atol=1e-3, rtol=1e-3)


def test_the_reference_is_packed_too(built, ways):
    model = built(prompt_tokens=2)
    assert_close(*ways(lambda: model.reference(inputs())), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_checkpointed_layers_are_given_the_packing_and_the_gates_again(built, ways, family):
    plain, checkpointed = (built(family, gradient_checkpointing=given) for given in (False, True))
    expected = ways(lambda: score_responses(plain, injected(plain, gates=True), inputs()))[0]
    found = ways(lambda: score_responses(checkpointed, injected(checkpointed, gates=True), inputs()))[1]
    assert_close(found, expected, atol=1e-3, rtol=1e-3)


def test_models_side_by_side_are_packed_too(built, ways):
    models = DedicatedModels(built(prompt_tokens=2), 2)
    trained = [{name: value for name, value in model.named_parameters() if value.requires_grad} for model in models.models]
    stacked = {name: torch.stack([trained[0][name], trained[1][name] + 0.1]).detach().requires_grad_() for name in trained[0]}

    batch = inputs()

    def together():
        call = torch.func.functional_call
        scores = torch.vmap(lambda own: call(models[0], own, (batch, Injection())), randomness="different")(stacked)
        return [scores, *torch.autograd.grad((scores * WEIGHTS).sum(), list(stacked.values()))]

    assert_close(*ways(together), atol=1e-3, rtol=1e-3)


def test_models_that_checkpoint_are_computed_one_after_another(built):
    models = DedicatedModels(built(gradient_checkpointing=True), 2)
    plain = DedicatedModels(built(), 2)
    with torch.no_grad():
        for several in (models, plain):
            for value in several[1].parameters():
                if value.requires_grad:
                    value.add_(0.1)
    found = []
    for several in (models, plain):
        trained = [one for one in several.parameters() if one.requires_grad]
        corrections = several.corrections(whole(inputs()), (0, 1))
        found.append([corrections, *torch.autograd.grad((corrections * WEIGHTS).sum(), trained)])
    assert_close(*found, atol=1e-3, rtol=1e-3)


def whole(given):
    """The batch of these inputs."""
    nothing = torch.zeros(given["items"].shape)
    labels = torch.zeros(*nothing.shape, 2)
    return Batch(given, labels, labels.bool(), nothing, given["items"], nothing, torch.arange(len(nothing)))


def test_rows_that_fit_a_window_once_they_are_taken_apart_are_packed(built, ways, monkeypatch):
    model, taken = built("mistral", changes={"sliding_window": 14}), []
    plain = forward_pass.packed_pass
    monkeypatch.setattr(
        "moft_llm.network.language_model.packed_pass", lambda *given, **more: taken.append(1) or plain(*given, **more)
    )
    assert_close(*ways(lambda: model(inputs(), injected(model)).detach()), atol=1e-4, rtol=1e-4)
    assert taken


def test_rows_beyond_a_sliding_window_are_not_packed(built, ways):
    model = built("mistral", changes={"sliding_window": 8})
    assert_close(*ways(lambda: model(inputs(), injected(model)).detach()), atol=1e-6, rtol=0)


def test_what_attends_in_more_ways_than_packed_sequences_can_is_not_packed(built):
    changes = {"head_dim": 8, "attn_logit_softcapping": 50.0, "sliding_window": 64}
    assert not built("gemma2", changes=changes)._is_packable


def test_a_row_that_is_longer_than_learned_positions_is_refused(built, ways, match):
    model = built("gpt2", changes={"n_positions": 12})

    def refused():
        with pytest.raises(ShapeError) as raised:
            model(inputs(), injected(model, prefix=9))
        return str(raised.value)

    told = ways(refused)
    assert told[0] == told[1]
    assert match(r"a row has \d+ tokens, 9 of them a prefix; the model has positions for 12 tokens", told[0])


@pytest.fixture
def traced(monkeypatch):
    """Compiles by tracing alone, which takes a second where the real way takes many."""
    compile_part, compile_function = nn.Module.compile, torch.compile

    def without_kernels(part, **more):  # a part of torch's own is not traced by itself
        compile_part(part, backend="eager", fullgraph=not type(part).__module__.startswith("torch"), **more)

    monkeypatch.setattr(nn.Module, "compile", without_kernels)
    monkeypatch.setattr(lm_head, "_compiled_exponentials", lambda: compile_function(lm_head._exponentials, backend="eager"))


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_compiled_parts_are_traced_whole_and_score_as_before(built, ways, traced, family):
    plain, compiled = (built(family, is_compiled=given) for given in (False, True))
    expected = ways(lambda: score_responses(plain, injected(plain, gates=True), inputs()))[1]
    found = ways(lambda: score_responses(compiled, injected(compiled, gates=True), inputs()))[1]
    assert_close(found, expected, atol=1e-3, rtol=1e-3)


def test_batches_of_other_sizes_compile_nothing_more(built, traced, monkeypatch):
    monkeypatch.setattr(LanguageModel, "_can_pack", lambda self: True)
    model, graphs = built(is_compiled=True), []
    for rows in (3, 5, 6, 7, 9):
        score_responses(model, injected(model, rows, prefix=2, gates=True), inputs(rows))
        graphs.append(torch._dynamo.utils.counters["stats"]["unique_graphs"])
    assert graphs[-1] == graphs[1], graphs


def test_copies_of_a_compiled_model_are_compiled(built, monkeypatch):
    compiled = []
    monkeypatch.setattr(nn.Module, "compile", lambda part, **more: compiled.append(part))
    model = built(is_compiled=True)
    parts = [part for layer in model.blocks() for part in layer.children()]
    assert compiled == parts
    twin = deepcopy(model)
    assert compiled[len(parts) :] == [part for layer in twin.blocks() for part in layer.children()]


def test_a_compiled_model_writes_as_it_does_uncompiled_and_compiles_nothing_for_it(built, traced):
    prompts, greedy = [[5, 9, 3], [7]], Decoding(max_new_tokens=6, greedy=True)
    found = []
    for is_compiled in (False, True):
        policy = ConditionedPolicy(built(is_compiled=is_compiled), None, torch.ones(1, 2))
        assignments = policy.assignments(Tradeoff(torch.full((2, 2), 0.5), torch.ones(1, 2)))
        before = torch._dynamo.utils.counters["frames"]["total"]
        found.append((generate(assignments, prompts, greedy), log_probabilities(assignments, prompts, [[4, 5], [6]])))
        assert torch._dynamo.utils.counters["frames"]["total"] == before
    assert_close(*found)
