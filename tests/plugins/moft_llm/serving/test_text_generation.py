"""`run.generate`: its texts are those of `moft generate` and of the server, each prompt at weights and settings of its own."""

from __future__ import annotations

import json
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

import moft
from moft import ConfigError, DataError
from moft.api import TextEngineSettings, TokenSampling, Tradeoff
from moft.engine.choices.wish_settings import WishSettings
from moft.run.policy.choices.predicted_choice import PredictedChoice
from moft_llm.data.preference_example import prompt_of
from moft_llm.generation.decoding import Decoding
from moft_llm.generation.opened_llm_run import APPROXIMATE, LLMRun
from moft_llm.generation.prompts.prompt_requests import Request
from moft_llm.serving.engine import BatchedEngine

pytestmark = pytest.mark.slow  # a run is trained

PROMPTS = ["Day 3: ", "A longer prompt than the others, of day 12: ", "x", "Day 4: "]
WEIGHTS = [{"brief": 0.2, "calm": 0.8}, [1, 0], {"calm": 1}, (0.5, 0.5)]
DIALS = [None, 2, 0.5, 1e6]


@pytest.fixture(scope="module")
def run(tuned):
    return moft.open_run(tuned(), device="cpu")


def by_command(run, prompts=PROMPTS, seed=0, **decoding):
    """The texts of `moft generate` for the prompts at their weights and dials."""
    opened = LLMRun(run.folder.path, "tests", opened=run)
    rows = zip(prompts, WEIGHTS, DIALS, strict=False)
    asked = [Request(prompt_of(p, "p"), list(w) if isinstance(w, tuple) else w, d, "p") for p, w, d in rows]
    assignments = opened.assignments(opened.tradeoff(asked))
    return opened.responses(assignments, asked, Decoding(**{"max_new_tokens": 10} | decoding), seed)


def texts(found):
    return [one.text for one in found]


@pytest.mark.parametrize("batch", [32, 2])
def test_texts_are_those_of_moft_generate(run, batch):
    greedy = run.generate(PROMPTS, WEIGHTS, dial=DIALS, greedy=True, max_new_tokens=10, batch=batch)
    assert texts(greedy) == by_command(run, greedy=True)
    drawn = run.generate(PROMPTS, WEIGHTS, dial=DIALS, seed=3, top_k=20, max_new_tokens=10, batch=batch)
    assert texts(drawn) == by_command(run, seed=3, top_k=20)
    assert [one.prompt for one in greedy] == PROMPTS
    assert greedy[1].weights == {"brief": 1, "calm": 0}
    assert [one.dial for one in greedy] == [1, 2, 0.5, 1e6]
    assert [one.notes for one in greedy] == [(), (APPROXIMATE,), (APPROXIMATE,), (APPROXIMATE,)]
    assert {one.finish for one in greedy} <= {"length", "stop"}
    assert all(len(one.tokens) == 10 for one in greedy if one.finish == "length")


SETTINGS = [
    {"repetition_penalty": 5.0, "greedy": True},
    {"presence_penalty": 2.0, "frequency_penalty": 1.5, "greedy": True},
    {"no_repeat_ngram": 1, "greedy": True},
    {"min_new_tokens": 8},
    {"min_p": 0.3},
    {"typical_p": 0.3},
    {"epsilon_cutoff": 0.05},
    {"eta_cutoff": 0.1},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: next(iter(settings)))
def test_settings_mean_the_same_in_python_and_in_commands(run, settings):
    found = run.generate(PROMPTS[:2], WEIGHTS[:2], dial=DIALS[:2], max_new_tokens=8, **settings)
    assert texts(found) == by_command(run, PROMPTS[:2], max_new_tokens=8, **settings)
    if "no_repeat_ngram" in settings:
        assert all(len(set(one.tokens)) == len(one.tokens) for one in found)
    if "min_new_tokens" in settings:
        assert all(len(one.tokens) == 8 for one in found)


def test_texts_end_before_one_that_stops_them(run):
    plain = by_command(run, max_new_tokens=8)
    stop = (plain[0][2:4], plain[1][1])
    found = run.generate(PROMPTS, WEIGHTS, dial=DIALS, max_new_tokens=8, stop=stop)
    assert texts(found) == by_command(run, max_new_tokens=8, stop=stop)
    assert [one.finish for one in found[:2]] == ["stop", "stop"]
    assert texts(found[:2]) == [text[: min(text.find(one) % 99 for one in stop)] for text in plain[:2]]


def test_a_share_of_1_samples_the_likeliest_token_alone(run):
    """So does a bound on probabilities that only one of them can reach."""
    greedy = texts(run.generate(PROMPTS, WEIGHTS, greedy=True, max_new_tokens=6))
    for settings in ({"min_p": 1}, {"epsilon_cutoff": 0.99}, {"top_k": 1}):
        assert texts(run.generate(PROMPTS, WEIGHTS, max_new_tokens=6, **settings)) == greedy


def test_every_setting_may_differ_between_prompts(run):
    alone = [
        run.generate("Day 3: ", "0.2,0.8", greedy=True, max_new_tokens=5)[0],
        run.generate("Day 3: ", "0.2,0.8", seed=7, max_new_tokens=9, sampling_temperature=0.5)[0],
        run.generate("Day 3: ", "0.2,0.8", seed=8, max_new_tokens=9, bias={70: 1000.0})[0],
    ]
    found = run.generate(
        ["Day 3: "] * 3,
        "0.2,0.8",
        seed=[1, 7, 8],
        greedy=[True, False, False],
        max_new_tokens=[5, 9, 9],
        sampling_temperature=[1, 0.5, 1],
        bias=[None, None, {70: 1000.0}],
    )
    assert texts(found) == texts(alone)
    assert found[2].tokens == (70,) * 9
    assert [one.seed for one in found] == [1, 7, 8]


def test_numbers_of_arrays_are_as_those_of_python(run):
    asked = {"weights": [0.2, 0.8], "dial": 2, "seed": 7, "max_new_tokens": 9}
    of_arrays = {"weights": np.array([0.2, 0.8]), "dial": np.float64(2), "seed": np.int64(7), "max_new_tokens": np.int64(9)}
    found = texts(run.generate(["Day 3: "] * 2, **of_arrays))
    assert found == texts(run.generate(["Day 3: "] * 2, **asked))
    assert found[0] != found[1]
    seeds = np.array([7, 7])
    assert len(set(texts(run.generate(["Day 3: "] * 2, **asked | {"seed": seeds})))) == 1


def test_equal_prompts_that_end_at_different_times(run):
    found = run.generate(["Day 3: "] * 3, "0.2,0.8", greedy=True, max_new_tokens=[6, 2, 4])
    assert [len(one.tokens) for one in found] == [6, 2, 4]


def test_samples_have_the_numbers_of_the_command_and_of_the_server(run, moft):
    found = run.generate(["Day 3: ", "x"], "0.2,0.8", samples=3, seed=5, max_new_tokens=8)
    assert [(one.prompt, one.sample) for one in found] == [(p, n) for p in ("Day 3: ", "x") for n in range(3)]
    words = ("--weights", "0.2,0.8", "--samples", 3, "--seed", 5, "--max-new-tokens", 8)
    rows = [json.loads(line) for line in moft("generate", run.folder.path, "Day 3: ", "x", *words).out.splitlines()]
    assert [row["response"] for row in rows] == texts(found)
    assert [row["sample"] for row in rows] == [0, 1, 2] * 2
    assert len(set(texts(found))) > 3


def test_pieces_are_streamed_and_join_to_the_texts(run):
    whole = run.generate(PROMPTS, WEIGHTS, samples=2, max_new_tokens=6)
    pieces = list(run.generate.stream(PROMPTS, WEIGHTS, samples=2, max_new_tokens=6, batch=3))
    for number, one in enumerate(whole):
        own = [piece for piece in pieces if (piece.prompt, piece.sample) == divmod(number, 2)]
        assert "".join(piece.text for piece in own) == one.text
        assert [piece.whole for piece in own] == [None] * (len(own) - 1) + [one]
    order = [(piece.prompt, piece.sample) for piece in pieces]
    assert order != sorted(order)  # they alternate


def test_a_stream_that_is_left_frees_its_texts_and_disturbs_nothing(run):
    """Between two pieces nothing is computed, so the run can be used for something else."""
    threads = {thread.name for thread in threading.enumerate()}
    expected = run.generate("Day 3: ", "0.2,0.8", greedy=True, max_new_tokens=8)
    stream = run.generate.stream(PROMPTS, WEIGHTS, max_new_tokens=300)
    next(stream)
    assert run.generate("Day 3: ", "0.2,0.8", greedy=True, max_new_tokens=8) == expected
    engine, _ = run.generate._engine()
    assert engine.running > 0
    stream.close()
    assert (engine.running, engine.waiting) == (0, 0)
    assert {thread.name for thread in threading.enumerate()} == threads


def test_an_interrupted_text_leaves_the_run_as_it_was(run, monkeypatch):
    expected = run.generate(PROMPTS, WEIGHTS, max_new_tokens=6)
    stream = run.generate.stream(PROMPTS, WEIGHTS, max_new_tokens=300)
    next(stream)
    with monkeypatch.context() as patch:

        def interrupted(batch):
            raise KeyboardInterrupt

        patch.setattr("moft_llm.serving.running_batch.RunningBatch.step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            list(stream)
    assert run.generate(PROMPTS, WEIGHTS, max_new_tokens=6) == expected


def test_log_probabilities_are_those_of_the_server(run):
    (found,) = run.generate("Day 3: ", "1,0", dial=2, greedy=True, max_new_tokens=3, logprobs=2)
    engine = BatchedEngine(LLMRun(run.folder.path, "tests", opened=run), TextEngineSettings(rows=1))
    request = moft_request(engine, run)
    events = [event for event in engine.submit([request])[0] if event.token is not None]
    engine.close()
    assert [one.token for one in found.logprobs] == list(found.tokens) == [event.token for event in events]
    assert [one.logprob for one in found.logprobs] == pytest.approx([event.score.logprob for event in events], abs=1e-4)
    assert [[one.token for one in place] for place in found.likeliest] == [[o.token for o in e.likeliest] for e in events]
    (chosen,) = run.generate("Day 3: ", "1,0", greedy=True, max_new_tokens=3, logprobs=0)
    assert len(chosen.logprobs) == len(chosen.tokens)
    assert chosen.likeliest == ()


def moft_request(engine, run):
    from moft.api import TextRequest

    prompt = engine.chat([{"role": "user", "content": "Day 3: "}], "prompt")
    return TextRequest(prompt, run.tradeoff("1,0", "2"), 3, TokenSampling(temperature=0), logprobs=2)


def test_a_wish_is_answered_from_what_was_measured(run, monkeypatch):
    asked = []
    answer = PredictedChoice((0.2, 0.8), 2.0, ("calm >= 5",), "validation")

    def predicted(self, outcomes, **wish):
        asked.append(wish["maximise"])
        return answer

    monkeypatch.setattr(type(run), "predicted_choice", predicted)
    monkeypatch.setattr(type(run), "measured_outcomes", lambda self: None)
    wish = WishSettings(maximise="brief")
    found = run.generate(["Day 3: ", "x"], [wish, "0.2,0.8"], greedy=True, max_new_tokens=4)
    assert asked == ["brief"]
    assert (found[0].dial, found[1].dial) == (2, 1)
    assert found[0].notes[0].startswith("No tradeoff is predicted to keep calm >= 5; this one comes nearest. Predicted from")
    with pytest.raises(ConfigError, match="weights of prompt 1: a wish finds a dial of its own"):
        run.generate("Day 3: ", wish, dial=2)


def test_a_tradeoff_has_a_row_for_each_prompt(run):
    rows = Tradeoff(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), 2 * run.trained_betas)
    found = run.generate(PROMPTS[:2], rows, greedy=True, max_new_tokens=6)
    assert found == run.generate(PROMPTS[:2], ["1,0", "0,1"], dial=2, greedy=True, max_new_tokens=6)


def test_other_trained_weights_are_told(tuned):
    nearest = moft.open_run(tuned("{name: dpo-ls, points: 3}"), device="cpu")
    with pytest.warns(UserWarning, match="no model was trained for these"):
        (found,) = nearest.generate("x", "0.33,0.67", max_new_tokens=2)
    assert "no model was trained for these" in found.notes[0]


def test_chats_have_the_messages_of_the_system(run, monkeypatch):
    template = replace(run.task.prompt_template(), text="chat")
    monkeypatch.setattr(run.task, "_prompt_template", template)
    fresh = replace(run)
    chat = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Day 3"}]
    found = fresh.generate([chat, "Day 3"], "0.2,0.8", system=[None, "Be brief."], greedy=True, max_new_tokens=6)
    assert found[0].text == found[1].text
    assert found[0].prompt == chat


def test_a_text_may_have_what_the_context_leaves(run):
    (found,) = run.generate("x" * 495, "0.2,0.8", max_new_tokens=None, min_new_tokens=5)
    assert 5 <= len(found.tokens) <= 512 - 8 - 495


MISTAKES = [
    ({"weights": {"brave": 1}}, "weights of prompt 1: weights: 'brave' is not an objective"),
    ({"weights": [0.5, 0.2]}, "weights of prompt 1: weights must sum to 1"),
    ({"weights": "mime"}, "'mime': is neither weights"),
    ({"weights": None}, "weights: give the weights of brief, calm"),
    ({"dial": 0}, "dial 0 must be between"),
    ({"dial": "x"}, "dial 'x': 'x' is not a number"),
    ({"dial": [1, 2]}, "dial: 2 values for 1 prompt"),
    ({"dial": {"brief": 2}}, "are not a multiple of the trained"),
    ({"prompts": ""}, "prompt 1: the prompt has no tokens"),
    ({"prompts": "x" * 600}, "prompt 1: 600 prompt tokens, 8 prefix tokens and 64 new tokens exceed the model's context"),
    ({"prompts": [{"role": "user"}]}, "prompt 1: message 1 of prompt is"),
    ({"system": "Be brief."}, "prompt 1: the prompt has 2 messages, but the template 'none' takes one"),
    ({"samples": 2, "greedy": True}, "samples: 2 greedy responses to a prompt would be identical"),
    ({"logprobs": 21}, "logprobs: must be at most 20"),
    ({"bias": {900: 1.0}}, "prompt 1: the bias names token 900"),
    ({"bias": {(5, 900): 1.0}}, "prompt 1: the bias names token 900"),
    ({"bias": {(): 1.0}}, "bias"),
    ({"bias": {"a": 1.0}}, "bias.a"),
    ({"seed": -1}, "seed: must be at least 0"),
    ({"batch": 0}, "batch: must be at least 1"),
    ({"stop": ["a", ""]}, "stop.1: must have at least 1"),
]


@pytest.mark.parametrize(("changes", "told"), MISTAKES)
def test_a_mistake_is_told_before_anything_is_generated(run, changes, told):
    given = {"prompts": "Day 3: ", "weights": "0.2,0.8"} | changes
    with pytest.raises((ConfigError, DataError), match=told) as error:
        run.generate.stream(given.pop("prompts"), given.pop("weights"), **given)
    assert "\n" not in str(error.value)


def test_a_ranker_generates_no_text(finished):
    with pytest.raises(ConfigError, match="no plugin generates text of a run of this task"):
        moft.open_run(finished, device="cpu").generate("x", "0.5,0.5")


def test_the_number_of_threads_stays_the_callers(run):
    torch.set_num_threads(2)
    fresh = replace(run)
    fresh.generate("x", "0.2,0.8", max_new_tokens=2)
    assert torch.get_num_threads() == 2
