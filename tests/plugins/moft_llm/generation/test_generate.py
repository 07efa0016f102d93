"""Text from policies: rows with tradeoffs of their own are those of single runs, and draws depend on their own row alone."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import nn

from moft import ConfigError, DataError, ShapeError
from moft.api import Assignment, Conditioner, Injection, Model, ModelSpec, generator_for
from moft_llm.generation.decoding import Decoding
from moft_llm.generation.generate import generate
from moft_llm.generation.log_probabilities import log_probabilities
from moft_llm.loading.model_loading import load_model
from moft_llm.network.language_model import LanguageModel
from moft_llm.network.lora import LoRA

FAMILIES = ("llama", "qwen2", "qwen3", "gpt2", "mistral")
GREEDY = Decoding(max_new_tokens=8, greedy=True)
DRAWN = Decoding(max_new_tokens=8)
ROWS = 16


def language_model(folder, *, tokens=0, spread=0.3, **settings):
    """A model whose LoRA and prompt are away from their start."""
    base, tokenizer = load_model(str(folder), device=torch.device("cpu"))
    torch.manual_seed(11)
    shown = {"share_prompt": True, "length_normalization": False, "gradient_checkpointing": False} | settings
    model = LanguageModel(base, tokenizer, tradeoff_size=2, lora=LoRA(rank=4, alpha=8), prompt_tokens=tokens, **shown)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * parameter.std().clamp(min=0.1), alpha=spread)
    return model


def prefixes(model, rows, length=5):
    """`[rows, length, hidden]`, another one for each row, of the size of word embeddings."""
    starts = model.spec.prefix_starts
    chosen = torch.randint(len(starts), (rows, length), generator=torch.Generator().manual_seed(3))
    noise = torch.randn(rows, length, starts.shape[1], generator=torch.Generator().manual_seed(4))
    return starts[chosen] + 0.5 * starts.std() * noise


def asked(model, rows=ROWS, divisor=1.0):
    divisors = torch.as_tensor(divisor, dtype=torch.float32).expand(rows).reshape(-1, 1)
    return Assignment(torch.arange(rows), model, Injection(prefix=prefixes(model, rows)), divisors)


def single(assignment, row):
    """The answer of one row, as if it had been asked alone."""
    return [
        Assignment(
            torch.tensor([0]),
            assignment.model,
            Injection(prefix=assignment.injection.prefix[row : row + 1]),
            assignment.divisor[row : row + 1],
        )
    ]


def prompts_of(model, rows=ROWS, longest=14):
    lengths = torch.randint(1, longest, (rows,), generator=torch.Generator().manual_seed(1)).tolist()
    generator = torch.Generator().manual_seed(2)
    return [torch.randint(5, 250, (length,), generator=generator).tolist() for length in lengths]


def divisors():
    """As trained, the base alone, and betas in between and beyond."""
    return torch.tensor([1.0, 2.0, 0.5, torch.inf]).repeat(ROWS // 4)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_a_batch_of_tradeoffs_gives_the_tokens_of_single_runs(tiny_models, family):
    model = language_model(tiny_models(family), tokens=2)
    assignment, prompts = asked(model, divisor=divisors()), prompts_of(model)
    together = generate([assignment], prompts, GREEDY)
    alone = [generate(single(assignment, row), [prompts[row]], GREEDY)[0] for row in range(ROWS)]
    assert together == alone
    assert len({tuple(tokens) for tokens in together}) > ROWS / 2


@pytest.mark.slow
def test_a_batch_of_tradeoffs_gives_the_tokens_of_single_runs_with_real_weights(stories):
    model = language_model(stories("stories260k"), spread=0.1)
    assignment = asked(model, divisor=divisors())
    prompts = [[1, *prompt] for prompt in prompts_of(model)]
    decoding = Decoding(max_new_tokens=16, greedy=True)
    together = generate([assignment], prompts, decoding)
    assert together == [generate(single(assignment, row), [prompts[row]], decoding)[0] for row in range(ROWS)]
    scores = torch.stack(log_probabilities([assignment], prompts, together))
    for row in range(ROWS):
        own = torch.cat(log_probabilities(single(assignment, row), [prompts[row]], [together[row]]))
        torch.testing.assert_close(scores[:, row], own, atol=1e-4, rtol=0)


def greedy_by_logits(model, prefix, prompt, divisor, steps):
    """The likeliest token by whole forwards, without cache, padding or batch: the formula written out."""
    network, words, ids = model.network.eval(), model.network.get_input_embeddings(), list(prompt)
    for _ in range(steps):
        embedded = words(torch.tensor([ids]))
        with torch.no_grad():
            tuned = network(inputs_embeds=torch.cat([prefix, embedded], 1)).logits[0, -1]
            with model.without_adapters():
                base = network(inputs_embeds=embedded).logits[0, -1]
        c = divisor.item()
        ids.append(int(((1 - 1 / c) * base + tuned / c)[: len(model.tokenizer)].argmax()))
    return ids[len(prompt) :]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_token_is_the_likeliest_of_the_mixed_logits(tiny_models, family):
    model = language_model(tiny_models(family), tokens=1)
    assignment, prompts = asked(model, 4, divisors()[:4]), prompts_of(model, 4)
    found = generate([assignment], prompts, Decoding(max_new_tokens=6, greedy=True))
    prefix = model.prefix(4, assignment.injection)
    for row in range(4):
        expected = greedy_by_logits(model, prefix[row : row + 1], prompts[row], assignment.divisor[row], 6)
        assert found[row] == expected[: len(found[row])]
        assert len(found[row]) == 6 or expected[len(found[row])] == model.tokenizer.eos_token_id


def test_an_infinite_divisor_is_the_base_model_alone(tiny_models):
    folder = tiny_models("llama")
    model = language_model(folder)
    prompt = prompts_of(model)[3]
    base, tokenizer = load_model(str(folder), device=torch.device("cpu"))
    found = base.generate(torch.tensor([prompt]), max_new_tokens=8, do_sample=False, pad_token_id=tokenizer.pad_token_id)
    kept = [token for token in found[0, len(prompt) :].tolist() if token != tokenizer.eos_token_id]
    assert generate([asked(model, 1, torch.inf)], [prompt], GREEDY) == [kept]


def test_as_trained_costs_one_forward_for_each_token(tiny_models):
    model = language_model(tiny_models("llama"))
    passes = []
    model.network.get_decoder().register_forward_hook(lambda *_: passes.append(1))
    prompts = prompts_of(model, 4)
    steps = Decoding(max_new_tokens=5, greedy=True)

    def cost(divisor):
        passes.clear()
        found = generate([asked(model, 4, divisor)], prompts, steps)
        assert max(map(len, found)) == 5
        return len(passes)

    assert cost(1.0) == cost(torch.inf) == 5
    assert cost(2.0) == 10


@pytest.mark.slow
def test_a_drawn_row_depends_on_its_own_generator_alone(tiny_models):
    model = language_model(tiny_models("llama"))
    assignment, prompts = asked(model, divisor=divisors()), prompts_of(model)
    together = generate([assignment], prompts, DRAWN, generators=[generator_for(5, row) for row in range(ROWS)])
    for row in (0, 1, 6, 11):
        assert generate(single(assignment, row), [prompts[row]], DRAWN, generators=[generator_for(5, row)])[0] == together[row]
    again = generate([assignment], prompts, DRAWN, generators=[generator_for(6, row) for row in range(ROWS)])
    assert again != together


def test_draws_follow_the_probabilities(tiny_models):
    model = language_model(tiny_models("llama"))
    rows, prompt = 1500, [20, 30, 40]
    assignment = Assignment(torch.arange(rows), model, Injection(), torch.ones(rows, 1))
    with torch.no_grad():
        logits = model.network.eval()(torch.tensor([prompt])).logits[0, -1]
    expected = logits[: len(model.tokenizer)].softmax(-1)
    once = Decoding(max_new_tokens=1, batch=500)
    found = generate(
        [assignment], [prompt] * rows, once, generators=[generator_for(1, row) for row in range(rows)], keep_end=True
    )
    counts = torch.zeros_like(expected)
    for (token,) in found:
        counts[token] += 1
    deviation = (expected * (1 - expected) / rows).sqrt()
    assert ((counts / rows - expected).abs() <= 5 * deviation + 1 / rows).all()


@pytest.mark.parametrize(
    "decoding",
    [
        Decoding(max_new_tokens=8, top_k=1),
        Decoding(max_new_tokens=8, top_p=1e-6),
        Decoding(max_new_tokens=8, sampling_temperature=1e-4),
    ],
)
def test_draws_from_the_likeliest_token_alone_are_greedy(tiny_models, decoding):
    model = language_model(tiny_models("llama"))
    assignment, prompts = asked(model, 4), prompts_of(model, 4)
    drawn = generate([assignment], prompts, decoding, generators=[generator_for(1, row) for row in range(4)])
    assert drawn == generate([assignment], prompts, GREEDY)


def test_what_follows_the_end_is_cut(tiny_models):
    model = language_model(tiny_models("llama"))
    prompts = prompts_of(model)
    whole = generate([asked(model)], prompts, GREEDY)
    row = next(row for row in range(ROWS) if len(whole[row]) > 4)
    model.network.generation_config.eos_token_id = [model.tokenizer.eos_token_id, whole[row][3]]
    cut = whole[row].index(whole[row][3])
    assert generate([asked(model)], prompts, GREEDY)[row] == whole[row][:cut]
    assert generate([asked(model)], prompts, GREEDY, keep_end=True)[row] == whole[row][: cut + 1]


def test_generation_settings_saved_with_a_model_do_not_count(tiny_models):
    model = language_model(tiny_models("llama"))
    assignment, prompts = asked(model, 4), prompts_of(model, 4)
    plain = generate([assignment], prompts, GREEDY)
    model.train()
    model.network.generation_config.repetition_penalty = 3.0
    model.network.generation_config.max_new_tokens = 2
    assert generate([assignment], prompts, GREEDY) == plain
    assert model.network.generation_config.repetition_penalty == 3.0
    assert model.training


@pytest.mark.slow
@pytest.mark.parametrize("decoding", [GREEDY, DRAWN, Decoding(max_new_tokens=8, top_k=3), Decoding(max_new_tokens=8, top_p=0.5)])
@pytest.mark.parametrize("divisor", [1.0, 2.0, torch.inf])
def test_rows_of_the_vocabulary_that_no_token_has_are_never_chosen(tiny_models, decoding, divisor):
    model = language_model(tiny_models("llama"))
    tokens = len(model.tokenizer)
    assert model.unused_rows.nonzero().flatten().tolist() == list(range(tokens, 300))
    with torch.no_grad():
        model.network.lm_head.weight[tokens:] *= 20  # likelier than any token, or less likely
    prompts, generators = prompts_of(model), [generator_for(1, row) for row in range(ROWS)]
    found = generate([asked(model, divisor=divisor)], prompts, decoding, generators=generators)
    assert max(max(row, default=0) for row in found) < tokens
    model.unused_rows = None
    found = generate(
        [asked(model, divisor=divisor)], prompts, decoding, generators=[generator_for(1, row) for row in range(ROWS)]
    )
    assert max(max(row, default=0) for row in found) >= tokens


def test_all_rows_may_be_chosen_where_all_have_a_token(tiny_models):
    assert language_model(tiny_models("llama", vocab_size=258)).unused_rows is None


@pytest.mark.parametrize("divisor", [1.0, 2.0])
def test_announcements_of_the_library_are_not_shown(tiny_models, divisor, recwarn):
    model = language_model(tiny_models("llama"))
    model.network.get_decoder().register_forward_hook(lambda *_: warnings.warn("will be removed", FutureWarning, stacklevel=2))
    generate([asked(model, 2, divisor)], prompts_of(model, 2), GREEDY)
    assert not [one for one in recwarn if one.category is FutureWarning]


def test_log_probabilities_are_those_of_the_models_own_scores(tiny_models):
    for family in FAMILIES:
        model = language_model(tiny_models(family), tokens=1)
        assignment, prompts = asked(model, divisor=torch.tensor([1.0, torch.inf]).repeat(ROWS // 2)), prompts_of(model)
        responses = [prompts[(row + 5) % ROWS] for row in range(ROWS)]
        policy, base = log_probabilities([assignment], prompts, responses, batch=5)
        for row in range(ROWS):
            ids = [*prompts[row], *responses[row]]
            segments = [0] * len(prompts[row]) + [1] * len(responses[row])
            inputs = {
                "tokens": torch.tensor([ids]),
                "segments": torch.tensor([segments]),
                "items": torch.ones(1, 1, dtype=torch.bool),
            }
            with torch.no_grad():
                own = model(inputs, Injection(prefix=assignment.injection.prefix[row : row + 1])).item()
            reference = model.reference(inputs).item()
            assert base[row].item() == pytest.approx(reference, abs=1e-4)
            assert policy[row].item() == pytest.approx(reference if assignment.divisor[row].isinf() else own, abs=1e-4)


def test_log_probabilities_at_a_temperature_are_those_of_the_mixed_logits(tiny_models):
    model = language_model(tiny_models("llama"))
    assignment, prompt, response = asked(model, 1, 2.0), [20, 30, 40], [50, 60]
    policy, _ = log_probabilities([assignment], [prompt], [response])
    network, words = model.network.eval(), model.network.get_input_embeddings()
    embedded = words(torch.tensor([[*prompt, *response]]))
    prefix = assignment.injection.prefix
    with torch.no_grad():
        tuned = network(inputs_embeds=torch.cat([prefix, embedded], 1)).logits[:, prefix.shape[1] :]
        with model.without_adapters():
            base = network(inputs_embeds=embedded).logits
    mixed = ((1 - 1 / 2) * base + tuned / 2).log_softmax(-1)[0]
    assert policy.item() == pytest.approx((mixed[2, 50] + mixed[3, 60]).item(), abs=1e-4)


def test_several_answers_serve_the_rows_of_one_batch(tiny_models):
    first, second = language_model(tiny_models("llama")), language_model(tiny_models("llama"), spread=1.0)
    prompts = prompts_of(first, 5)
    rows = torch.tensor([0, 2, 3]), torch.tensor([1, 4])
    assignments = [
        Assignment(own, model, Injection(), torch.ones(len(own), 1)) for own, model in zip(rows, (first, second), strict=True)
    ]
    found = generate(assignments, prompts, GREEDY)
    for own, model in zip(rows, (first, second), strict=True):
        for row in own.tolist():
            alone = Assignment(torch.tensor([0]), model, Injection(), torch.ones(1, 1))
            assert generate([alone], [prompts[row]], GREEDY)[0] == found[row]


class Ranker(Model):
    def __init__(self):
        super().__init__()
        self.spec = ModelSpec(2, 4)
        self.layer = nn.Linear(1, 1)

    def forward(self, inputs, injection):
        return self.layer(inputs["features"])


class Shift(Conditioner):
    slots = frozenset({"modulation"})

    def forward(self, vector):
        return Injection({"input": (None, vector)})


def test_what_cannot_be_generated_from_is_refused(tiny_models):
    model = language_model(tiny_models("llama"))
    one = torch.arange(1), torch.ones(1, 1)
    with pytest.raises(ConfigError, match="Ranker is not a language model"):
        generate([Assignment(one[0], Ranker(), Injection(), one[1])], [[5]], GREEDY)
    with pytest.raises(ConfigError, match="text can be generated with a prefix and gates of LoRA only"):
        generate([Assignment(one[0], model, Shift()(torch.ones(1, 4)), one[1])], [[5]], GREEDY)
    with pytest.raises(ShapeError, match="1 prompts need a tradeoff with as many rows, got 16"):
        generate([asked(model)], [[5]], GREEDY)
    with pytest.raises(ShapeError, match="1 prompts need as many generators"):
        generate([asked(model, 1)], [[5]], DRAWN)
    with pytest.raises(ShapeError, match="1 prompts need as many responses, got 2"):
        log_probabilities([asked(model, 1)], [[5]], [[5], [6]])
    with pytest.raises(DataError, match="prompt 2: the prompt has no tokens"):
        generate([asked(model, 2)], [[5], []], GREEDY)
    with pytest.raises(
        DataError, match="b:2: 500 prompt tokens, 5 prefix tokens and 8 new tokens exceed the model's context of 512"
    ):
        generate([asked(model, 2)], [[5], [5] * 500], GREEDY, places=["b:1", "b:2"])


def test_a_response_ends_at_the_end_of_a_turn_too(tiny_models):
    model = language_model(tiny_models("llama"))
    prompts = [[10, 20, 30]]
    (whole,) = generate([asked(model, 1)], prompts, GREEDY)
    assert len(whole) == 8
    model.turn_end = whole[3]
    first = whole.index(model.turn_end)
    assert generate([asked(model, 1)], prompts, GREEDY) == [whole[:first]]
    assert generate([asked(model, 1)], prompts, GREEDY, keep_end=True) == [whole[: first + 1]]


def test_a_token_without_an_embedding_is_refused_by_its_name(tiny_models):
    model = language_model(tiny_models("llama"))
    model.tokenizer.add_tokens([f"<|{number}|>" for number in range(60)])
    prompts = [[5], [5, 308]]
    told = r"^prompt 2: the token '<\|50\|>' is number 308, but the model has embeddings of 300 tokens\. Enlarge it with"
    with pytest.raises(DataError, match=told):
        generate([asked(model, 2)], prompts, GREEDY)
