"""Generated text is scored per prompt and tradeoff, with the same random numbers everywhere."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import fields, replace

import pytest
import torch
from torch.testing import assert_close

from moft import ConfigError, PluginError
from moft.api import (
    AccelerateTrainer,
    BasePolicy,
    Batch,
    ConditionedPolicy,
    Context,
    Objective,
    Steered,
    Tradeoff,
    TrainerSettings,
)
from moft.testing import check_evaluator
from moft_conditioners.hyper_prompt_tuning import HyperPromptTuning
from moft_llm.data.label_transforms import TextLabel
from moft_llm.data.readers.list_readers import Lists
from moft_llm.generation.decoding import Decoding
from moft_llm.generation.generate import generate
from moft_llm.generation.generation_evaluator import Generation
from moft_llm.network.lora import LoRA
from moft_llm.task import LLM


class Characters:
    """Adds up the code points of a response."""

    meaning = "sum of the code points of a response"

    def __init__(self, sign=1.0):
        self.sign = sign

    def __call__(self, prompts, responses):
        return self.sign * torch.tensor([float(sum(map(ord, response))) for response in responses])


SCORERS = {"brief": Characters(-1.0), "calm": Characters()}


@pytest.fixture(scope="module")
def task(tiny_models, made_up_lists, tmp_path_factory):
    folder = tmp_path_factory.mktemp("generation")
    made_up_lists(folder / "lists.jsonl")
    built = LLM(
        Context(torch.device("cpu"), 0, folder / "cache"),
        model=str(tiny_models()),
        data=Lists(str(folder / "lists.jsonl")),
        objectives={"brief": TextLabel(), "calm": TextLabel()},
        lora=LoRA(rank=2, alpha=4),
    )
    built.prepare(AccelerateTrainer(TrainerSettings(device="cpu", threads=1), seed=0))
    return built


@pytest.fixture(scope="module")
def steered(task):
    torch.manual_seed(0)
    model = task.model(2)
    conditioner = HyperPromptTuning(model.spec, tokens=2, rank=2)
    torch.nn.init.normal_(conditioner.right[-1].weight, std=3.0)
    policy = ConditionedPolicy(model, conditioner, torch.full((1, 2), 0.1))
    return Steered(policy, Tradeoff(torch.eye(2), torch.full((1, 2), 0.1)))


def evaluator(task, **settings):
    given = {"scorers": SCORERS, "decoding": Decoding(max_new_tokens=6, batch=8), **settings}
    return Generation(task.objectives, task.main, **given)


def test_greedy_responses_are_not_sampled_again_and_again():
    objectives, greedy = (Objective("brief"), Objective("calm")), Decoding(greedy=True)
    Generation(objectives, None, scorers=SCORERS, decoding=greedy)
    with pytest.raises(ConfigError) as error:
        Generation(objectives, None, scorers=SCORERS, samples=4, decoding=greedy)
    assert (
        str(error.value)
        == "samples: 4 greedy responses to a prompt would be identical. Set samples: 1, or decoding.greedy: false."
    )


@pytest.mark.slow
def test_it_keeps_the_contract_of_evaluators(task, steered):
    check_evaluator(evaluator(task), steered, list(task.batches("test")))


def test_values_are_scores_of_text_and_differ_between_tradeoffs(task, steered):
    found = evaluator(task)(steered, task.batches("test"))
    assert_close(found.values[..., 0], -found.values[..., 1])
    assert (found.values[..., 1] >= 0).all()
    assert not torch.equal(found.values[0], found.values[1])


def test_the_base_model_has_no_distance_from_itself(task):
    base = Steered(BasePolicy(task), Tradeoff(torch.tensor([[0.5, 0.5]]), torch.full((1, 2), 0.1)))
    found = evaluator(task)(base, task.batches("test"))
    assert_close(found.main, torch.zeros_like(found.main), atol=1e-4, rtol=0)
    assert found.main_name == "minus KL (nats)"


def test_a_policy_far_away_is_nearer_at_a_higher_temperature(task, steered):
    distances = []
    for c in (1.0, 3.0, 1e6):
        moved = Steered(steered.policy, Tradeoff(torch.eye(2), c * torch.full((1, 2), 0.1)))
        distances.append(-float(evaluator(task, samples=8)(moved, task.batches("test")).main.mean()))
    assert distances[0] > distances[1] > distances[2]
    assert distances[2] == pytest.approx(0.0, abs=1e-2)


def test_lists_beyond_the_number_of_prompts_are_skipped(task, steered):
    found = evaluator(task, prompts=2)(steered, task.batches("test")).ordered()
    assert not found.values[:, :2].isnan().any()
    assert found.values[:, 2:].isnan().all()
    assert all(math.isnan(value) for value in found.main[0, 2:].tolist())


@pytest.mark.parametrize("scorers", [{"brief": Characters()}, {**SCORERS, "loud": Characters()}])
def test_scorers_are_those_of_the_objectives(scorers):
    with pytest.raises(ConfigError, match="but needs one for each objective: brief, calm"):
        Generation((Objective("brief"), Objective("calm")), None, scorers=scorers)


def test_it_says_how_far_it_is(task, steered):
    told = []
    found = evaluator(task).measure(steered, task.batches("test"), told.append)
    assert told == [1, 2]
    assert torch.equal(found.values.nan_to_num(), evaluator(task)(steered, task.batches("test")).values.nan_to_num())


def test_prompts_without_room_for_a_response_are_refused_before_anything_is_trained(task, steered, match):
    evaluator(task).check(steered, task.batches("test"))
    with pytest.raises(ConfigError) as error:
        evaluator(task, decoding=Decoding(max_new_tokens=505)).check(steered, task.batches("test"))
    tokens = r"\d+ prompt tokens, 2 prefix tokens and 505 new tokens exceed the model's context of 512\."
    pattern = (
        rf"^\[profile\.evaluator\.decoding\.max_new_tokens\] prompt \d+ of the measured split: {tokens} "
        r".* A lower task\.max_length also shortens prompts\.$"
    )
    assert match(pattern, str(error.value))


def test_a_model_that_cannot_generate_is_refused_before_anything_is_trained(task, monkeypatch):
    fault = "LlamaForCausalLM cannot generate from embeddings (ValueError: no way)."
    base = Steered(BasePolicy(task), Tradeoff(torch.tensor([[0.5, 0.5]]), torch.full((1, 2), 0.1)))
    evaluator(task).check(base, task.batches("test"))
    monkeypatch.setattr("moft_llm.network.language_model.generation_fault", lambda network: "ValueError: no way")
    base = Steered(BasePolicy(task), base.tradeoff)
    with pytest.raises(ConfigError) as error:
        evaluator(task).check(base, task.batches("test"))
    assert str(error.value) == f"[profile.evaluator] {fault} Choose an evaluator other than generation."


def test_a_model_that_cannot_generate_is_refused_wherever_it_is_to_write(task, monkeypatch):
    monkeypatch.setattr("moft_llm.network.language_model.generation_fault", lambda network: "ValueError: no way")
    tradeoff = Tradeoff(torch.tensor([[0.5, 0.5]]), torch.full((1, 2), 0.1))
    with pytest.raises(ConfigError, match=r"^LlamaForCausalLM cannot generate from embeddings \(ValueError: no way\)\.$"):
        generate(BasePolicy(task).assignments(tradeoff), [[5, 6]], Decoding(greedy=True))


def test_a_scorer_that_gives_no_number_is_named(task, steered):
    scorers = {"brief": lambda prompts, responses: torch.full((len(responses),), torch.nan), "calm": Characters()}
    for scorer in scorers.values():
        scorer.meaning = "nothing"
    with pytest.raises(PluginError, match=r"^the scorer of 'brief' \(function\) returned nan for the response "):
        evaluator(task, scorers=scorers)(steered, task.batches("test"))


class Reads:
    """Keeps what it is given."""

    meaning = "nothing"

    def __init__(self):
        self.seen = []

    def __call__(self, prompts, responses):
        self.seen += zip(prompts, responses, strict=True)
        return torch.zeros(len(responses))


def reader_of(model, template, task, steered, tmp_path):
    """A scorer that has read what was generated for the prompts of `lists.jsonl` with a model's template."""
    put = LLM(
        Context(torch.device("cpu"), 0, tmp_path / "cache"),
        model=str(model),
        data=Lists(str(tmp_path / "lists.jsonl")),
        objectives={"brief": TextLabel(), "calm": TextLabel()},
        template=template,
        lora=LoRA(rank=2, alpha=4),
    )
    reader = Reads()
    evaluator(task, scorers={"brief": reader, "calm": Characters()})(steered, put.read(tmp_path / "lists.jsonl"))
    return reader


def test_scorers_read_what_they_read_when_they_label(task, steered, tiny_models, tmp_path):
    (tmp_path / "lists.jsonl").write_text(
        "".join(json.dumps({"prompt": f"Tell of {n}", "responses": ["a", "b c"]}) + "\n" for n in range(3))
    )
    reader = reader_of(tiny_models(), "USER: {prompt} ASSISTANT: ", task, steered, tmp_path)
    assert {prompt for prompt, _ in reader.seen} == {f"Tell of {n}" for n in range(3)}


def test_scorers_read_the_block_that_the_prompt_opens(task, steered, tiny_models, tmp_path):
    """A thought that is cut is not taken for an answer."""
    shutil.copytree(tiny_models(), tmp_path / "model")
    (tmp_path / "model" / "chat_template.jinja").write_text(
        "{% for m in messages %}{{ m.role + ':' + m.content.split('</think>')[-1] }}{% endfor %}"
        "{% if add_generation_prompt %}{{ 'assistant:<think>\n' }}{% endif %}"
    )
    (tmp_path / "lists.jsonl").write_text('{"prompt": "Why?", "responses": ["a", "b c"]}\n' * 2)
    reader = reader_of(tmp_path / "model", "chat", task, steered, tmp_path)
    assert reader.seen
    assert all(response.startswith("<think>\n") for _, response in reader.seen)


def test_lists_without_text_are_refused(task, steered):
    plain = [Batch(**{field.name: getattr(batch, field.name) for field in fields(Batch)}) for batch in task.batches("test")]
    with pytest.raises(ConfigError, match=r"generation measures language models only\. Choose another evaluator for this task"):
        evaluator(task)(steered, plain)


class Collected:
    """Minus the characters of a response; remembers what it read."""

    meaning = "minus characters"

    def __init__(self):
        self.read = []

    def __call__(self, prompts, responses):
        self.read += responses
        return -torch.tensor([float(len(response)) for response in responses])


def test_a_response_ends_before_a_text_that_stops_it_and_its_distance_counts_all_tokens(task, steered):
    plain, stopped = Collected(), Collected()
    scorers = [{"brief": one, "calm": one} for one in (plain, stopped)]
    decoding = Decoding(max_new_tokens=6, batch=8)
    evaluator(task, scorers=scorers[0], decoding=decoding)(steered, task.batches("test"))
    stop = next(text[1] for text in plain.read if len(text) > 2)
    made = evaluator(task, scorers=scorers[1], decoding=replace(decoding, stop=(stop,)))
    found = made(steered, task.batches("test"))
    assert stopped.read == [text.split(stop)[0] for text in plain.read]
    assert stopped.read != plain.read
    assert not found.main.isnan().any()
    assert f", at most 6 tokens, stop {[stop]})" in made.metric
    assert "stop" not in evaluator(task).metric
