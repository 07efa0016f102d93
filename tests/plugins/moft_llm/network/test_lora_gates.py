"""Gates of LoRA: every row is scored and continued as by a model whose B has that row's gates in its columns."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from moft import ConfigError, ShapeError
from moft.api import Assignment, ConditionedPolicy, Injection, Tradeoff
from moft.testing import check_model
from moft_conditioners.hyper_lora import HyperLoRA
from moft_conditioners.hyper_prompt_tuning import HyperPromptTuning
from moft_conditioners.mixed_conditioners import Mix
from moft_llm.export.export import merge_lora
from moft_llm.generation.decoding import Decoding
from moft_llm.generation.generate import generate
from moft_llm.generation.log_probabilities import log_probabilities
from moft_llm.loading.model_loading import load_model
from moft_llm.network.language_model import LanguageModel
from moft_llm.network.lora import LoRA

FAMILIES = ["llama", "qwen2", "qwen3", "gpt2", "mistral", "deepseek_v3"]
DEEPSEEK = {"num_key_value_heads": 4, "q_lora_rank": 8, "kv_lora_rank": 8, "qk_rope_head_dim": 4, "qk_nope_head_dim": 4}
DEEPSEEK |= {"v_head_dim": 8, "n_routed_experts": 4, "num_experts_per_tok": 2, "n_group": 1, "topk_group": 1}
DEEPSEEK |= {"first_k_dense_replace": 1, "moe_intermediate_size": 16}  # some of its layers have an axis for heads
ROWS = 16
CLOSE = {"atol": 1e-5, "rtol": 1e-5}


@pytest.fixture
def built(tiny_models):
    """A model of a family whose LoRA is away from its start."""

    def model(family="llama", **settings):
        base, tokenizer = load_model(
            str(tiny_models(family, **(DEEPSEEK if "deepseek" in family else {}))), device=torch.device("cpu")
        )
        torch.manual_seed(3)
        given = {"tradeoff_size": 3, "lora": LoRA(rank=4, alpha=8.0), "prompt_tokens": 0, "share_prompt": True}
        given |= {"length_normalization": False, "gradient_checkpointing": False}
        made = LanguageModel(base, tokenizer, **{**given, **settings})
        for name, parameter in made.named_parameters():
            if "lora_B" in name:
                nn.init.normal_(parameter, std=0.2)
        return made

    return model


def inputs(rows=3, seed=0):
    """Prompts of several lengths, each with three responses."""
    generator = torch.Generator().manual_seed(seed)
    found = {"tokens": torch.ones(rows, 24, dtype=torch.int64), "segments": torch.full((rows, 24), -1)}
    for row in range(rows):
        lengths = [3 + row % 5, *torch.randint(1, 6, (3,), generator=generator).tolist()]
        own = torch.cat([torch.full((length,), number) for number, length in enumerate(lengths)])
        found["segments"][row, : len(own)] = own
        found["tokens"][row, : len(own)] = torch.randint(2, 250, (len(own),), generator=generator)
    return {**found, "items": torch.ones(rows, 3, dtype=torch.bool)}


def gates_of(model, rows, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return Injection(gates={layer: 1 + torch.randn(rows, rank, generator=generator) for layer, rank in model.spec.ranks.items()})


def folded(model, injection, row):
    """The same model with the row's gates in the columns of B: the formula `B diag(g) A` written out."""
    twin = deepcopy(model)
    for name, gates in injection.gates.items():
        up = twin.network.get_submodule(name).lora_B["default"].weight
        with torch.no_grad():
            for column in range(up.shape[1]):
                up[:, column] *= gates[row, column]
    return twin


def one(batch, row):
    return {name: value[row : row + 1] for name, value in batch.items()}


def spread_out(conditioner):
    """The conditioner away from its start, where tradeoffs may be alike."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in conditioner.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return conditioner


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("share_prompt", [True, False])
def test_every_row_scores_as_the_model_with_its_gates_in_b(built, family, share_prompt):
    model, batch = built(family, share_prompt=share_prompt), inputs()
    injection = gates_of(model, 3)
    with torch.no_grad():
        together = model(batch, injection)
        expected = torch.cat([folded(model, injection, row)(one(batch, row), Injection()) for row in range(3)])
        assert_close(together, expected, atol=1e-4, rtol=1e-5)
        assert (together - model(batch, Injection())).abs().max() > 0.1


def test_a_model_with_lora_reads_gates_and_one_without_does_not(built):
    model = built("gpt2")
    ends = ("attn.c_attn", "attn.c_proj")
    assert model.spec.ranks == {f"transformer.h.{i}.{end}": 4 for i in range(2) for end in ends}
    assert model.spec.slots == {"prefix", "gates"}
    assert built(lora=None).spec.slots == {"prefix"}


@pytest.mark.parametrize("share_prompt", [True, False])
def test_a_model_with_gates_keeps_the_contract(built, share_prompt):
    check_model(built(share_prompt=share_prompt, lora=LoRA(rank=2, targets=["v_proj"])), inputs(2))


def conditioners(spec):
    return {
        "hyper-lora": HyperLoRA(spec),
        "hpt": HyperPromptTuning(spec, tokens=3),
        "both": Mix(spec, parts=[lambda one: HyperPromptTuning(one, tokens=3), HyperLoRA], gate="learned"),
    }


@pytest.mark.parametrize("name", ["hyper-lora", "hpt", "both"])
@pytest.mark.parametrize("share_prompt", [True, False])
def test_sixteen_tradeoffs_in_one_batch_score_as_sixteen_single_runs(built, name, share_prompt):
    model, batch = built(share_prompt=share_prompt), inputs(ROWS)
    conditioner = spread_out(conditioners(model.spec)[name])
    vectors = torch.rand(ROWS, 3, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        together = model(batch, conditioner(vectors))
        alone = torch.cat([model(one(batch, row), conditioner(vectors[row : row + 1])) for row in range(ROWS)])
        assert_close(together, alone, **CLOSE)
        assert (together - model(batch, conditioner(vectors[:1].expand(ROWS, -1)))).abs().max() > 0.1


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_gradient_checkpointing_gives_the_same_gradients_of_gates_and_factors(built, family):
    found = []
    for checkpointing in (False, True):
        model = built(family, gradient_checkpointing=checkpointing)
        injections = [gates_of(model, 3, seed) for seed in (1, 2)]
        for injection in injections:
            for gates in injection.gates.values():
                gates.requires_grad_()
        batch = inputs()
        scores = [model(batch, injection) for injection in injections]  # backward comes when other gates were in place since
        with torch.no_grad():
            model(batch, Injection())
        (scores[0] * torch.tensor([1.0, -0.5, 2.0]) + scores[1].square() / 100).sum().backward()
        own = {name: value.grad for name, value in model.named_parameters() if value.requires_grad}
        found.append((own, [{name: gates.grad for name, gates in injection.gates.items()} for injection in injections]))
        assert all(grad is not None and grad.abs().sum() > 0 for grads in found[-1][1] for grad in grads.values())
    assert_close(*found, atol=1e-4, rtol=1e-4)


def test_a_backward_pass_may_be_run_again_under_checkpointing(built):
    model = built(gradient_checkpointing=True)
    injection = gates_of(model, 3)
    gates = next(iter(injection.gates.values())).requires_grad_()
    total = model(inputs(), injection).sum()
    first = torch.autograd.grad(total, gates, retain_graph=True)
    assert_close(first, torch.autograd.grad(total, gates))


def test_the_reference_and_a_model_without_gates_are_as_before(built):
    model, batch = built(), inputs()
    with torch.no_grad():
        plain, reference = model(batch, Injection()), model.reference(batch)
        model(batch, gates_of(model, 3))
        assert torch.equal(model(batch, Injection()), plain)
        assert torch.equal(model.reference(batch), reference)


def test_a_copy_has_gates_of_its_own(built):
    model, batch = built(), inputs()
    twin, injection = deepcopy(model), gates_of(model, 3)
    with torch.no_grad():
        expected = model(batch, injection)
        with model.gated(model.gates(3, gates_of(model, 3, seed=9))):
            assert_close(twin(batch, injection), expected)
            assert_close(twin(batch, Injection()), model(batch, Injection()))


@pytest.mark.parametrize(
    ("gates", "told"),
    [
        ({"lm_head": torch.ones(3, 4)}, r"there are gates of lm_head \(\[3, 4\]\), which has no LoRA"),
        ({"model.layers.0.self_attn.q_proj": torch.ones(3, 5)}, r"must be \[3, 4\], got \[3, 5\]"),
        ({"model.layers.0.self_attn.q_proj": torch.ones(2, 4)}, r"must be \[3, 4\], got \[2, 4\]"),
    ],
)
def test_gates_that_do_not_fit_are_refused(built, gates, told):
    with pytest.raises(ShapeError, match=told):
        built()(inputs(), Injection(gates=gates))


def test_a_layer_that_mixes_rows_is_refused(built):
    model = built()
    inner = model.network.get_submodule("model.layers.0.self_attn.q_proj").lora_A["default"]
    with (
        model.gated(model.gates(3, gates_of(model, 3))),
        pytest.raises(ShapeError, match=r"model.layers.0.self_attn.q_proj returns \[6, 4\] for 3 rows"),
    ):
        inner(torch.ones(6, 32))


def test_a_conditioner_of_gates_is_refused_where_there_is_no_lora(built):
    spec = built(lora=None).spec
    with pytest.raises(ConfigError, match=r"'hyper-lora' .*LlamaForCausalLM can read neither .*task.lora is not null"):
        HyperLoRA(spec)


def test_training_starts_at_the_base_however_far_gates_are_spread(built):
    model, batch = built(), inputs()
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            nn.init.zeros_(parameter)
    gates = HyperLoRA(model.spec, spread=2.0)(torch.eye(3))
    with torch.no_grad():
        assert_close(model(batch, gates), model.reference(batch))
    assert all((own - 1).std() > 0.3 for own in gates.gates.values())


def served(model, conditioner):
    policy = ConditionedPolicy(model, conditioner, torch.ones(1, 3))
    weights = torch.rand(ROWS, 3, generator=torch.Generator().manual_seed(4))
    tradeoff = Tradeoff(weights / weights.sum(1, keepdim=True), torch.ones(1, 3)).expand(ROWS)
    with torch.no_grad():
        return policy.assignments(tradeoff)[0]


def prompts():
    generator = torch.Generator().manual_seed(6)
    return [torch.randint(5, 250, (1 + row % 7,), generator=generator).tolist() for row in range(ROWS)]


@pytest.mark.parametrize(("divisor", "asked"), [(1.0, ROWS), (2.0, 3)])
def test_a_batch_of_gates_writes_the_tokens_of_single_runs(built, divisor, asked):
    model = built()
    assignment = served(model, spread_out(conditioners(model.spec)["both"]))
    divisors, greedy = torch.full((ROWS, 1), divisor), Decoding(max_new_tokens=6, greedy=True)
    together = generate([Assignment(assignment.rows, model, assignment.injection, divisors)], prompts(), greedy)
    for row in range(asked):
        alone = Assignment(torch.tensor([0]), model, assignment.injection.select(torch.tensor([row])), divisors[:1])
        assert generate([alone], [prompts()[row]], greedy) == [together[row]]
    assert len({tuple(tokens) for tokens in together}) > ROWS / 2


def test_what_is_written_is_what_the_merged_network_writes_by_whole_forwards(built):
    model = built("gpt2")
    assignment = served(model, HyperLoRA(model.spec))
    found = generate([assignment], prompts(), Decoding(max_new_tokens=5, greedy=True))
    scores = log_probabilities([assignment], prompts(), found)[0]
    for row in range(3):
        gates = {layer: own[row] for layer, own in assignment.injection.gates.items()}
        network, ids = merge_lora(model.network, gates).network, list(prompts()[row])
        logits = network(torch.tensor([ids + found[row]])).logits[0].log_softmax(-1)
        for place, token in enumerate(found[row], start=len(ids) - 1):
            assert int(logits[place, : len(model.tokenizer)].argmax()) == token  # rows beyond it are never written
        own = sum(float(logits[place, token]) for place, token in enumerate(found[row], start=len(ids) - 1))
        assert scores[row].item() == pytest.approx(own, abs=1e-3)
