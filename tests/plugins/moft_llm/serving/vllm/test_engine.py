"""The engine on vLLM: what it sends, what it makes of the tokens that come, and what clients see when vLLM fails."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from moft import BusyError, ConfigError, DataError, RunError
from moft.api import RoundsWeights, TextRequest, TokenSampling, Tradeoff
from moft_llm.generation.texts.detokenization import detokenize_responses
from moft_llm.serving.vllm.served_weights import ServedWeights
from tests.plugins.moft_llm.serving.vllm import fake_vllm
from tests.plugins.moft_llm.serving.vllm.conftest import until

pytestmark = pytest.mark.slow  # a run is trained


@pytest.fixture(scope="module")
def served(start):
    found = start()
    yield found
    found.engine.close()
    assert not found.engine.is_alive


@pytest.fixture(autouse=True)
def _idle_afterwards(request):
    yield
    if "served" in request.fixturenames:
        engine = request.getfixturevalue("served").engine
        until(lambda: not engine.running and not engine.waiting)


def asked(served, first=5, tokens=6, weights="0.25,0.75", dial=None, **more):
    prompt = served.engine.text([first, 70, 71], "prompt")
    return TextRequest(prompt, served.run.opened.tradeoff(weights, dial), tokens, **more)


def whole(stream):
    events = list(stream)
    assert [event.finish for event in events[:-1]] == [None] * (len(events) - 1)
    tokens = [event.token for event in events if event.token is not None]
    return tokens, "".join(event.text for event in events), events[-1].finish


def expected(request, first=0.25):
    return [fake_vllm.token({"weights": [first]}, place) for place in range(request.max_tokens)]


def sent(fake):
    return [json.loads(line) for line in (fake.place / "requests").read_text().splitlines()]


def test_tokens_become_texts_as_in_moft(served, fake):
    request = asked(served)
    tokens, text, finish = whole(served.engine.submit([request])[0])
    assert (tokens, finish) == (expected(request), "length")
    tokenizer = served.run.task.prompt_template().tokenizer
    assert text == detokenize_responses(tokenizer, [list(request.prompt.tokens)], [tokens])[0]
    body = sent(fake)[-1]
    assert (body["prompt"], body["weights"], body["max_tokens"]) == ([5, 70, 71], [0.25, 0.75], 6)
    assert whole(served.engine.submit([asked(served, fake_vllm.STOPS)])[0])[0::2] == (expected(request)[:3], "stop")


def test_texts_go_beside_each_other_at_weights_of_their_own(served):
    requests = [asked(served, weights=f"{share / 8},{1 - share / 8}") for share in range(9)]
    found = [whole(stream)[0] for stream in served.engine.submit(requests)]
    assert found == [expected(request, share / 8) for share, request in enumerate(requests)]
    until(lambda: (served.engine.running, served.engine.waiting) == (0, 0))


def test_settings_of_a_text_are_those_of_vllm(served, fake):
    sampling = TokenSampling(0.7, 5, 0.9, 0.5, -0.5, 1.2, {7: 3.0}, seed=3)
    for stream in served.engine.submit([asked(served, sampling=sampling, sample=place) for place in (0, 0, 1)]):
        whole(stream)
    bodies = sent(fake)[-3:]
    names = ("temperature", "top_k", "top_p", "presence_penalty", "frequency_penalty", "repetition_penalty")
    assert [bodies[0][name] for name in names] == [0.7, 5, 0.9, 0.5, -0.5, 1.2]
    assert bodies[0]["logit_bias"]["7"] == 3.0
    seeds = [body["seed"] for body in bodies]
    assert len(set(seeds)) == 2
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_rows_of_the_vocabulary_without_a_token_are_not_generated(served, fake):
    whole(served.engine.submit([asked(served)])[0])
    model = served.engine._model
    unused = model.unused_rows.nonzero().flatten().tolist()
    assert unused
    assert sent(fake)[-1]["logit_bias"] == {str(token): -100.0 for token in unused}


def test_a_stop_string_ends_the_text_and_frees_vllm(served, fake):
    (_, text, _) = whole(served.engine.submit([asked(served)])[0])
    request = asked(served, fake_vllm.ENDLESS, 200, stop=(text[2:4],))
    found = whole(served.engine.submit([request])[0])
    assert found[1:] == (text[:2], "stop")
    until(lambda: not served.engine.running and (fake.place / "left").exists())
    (fake.place / "left").unlink()


def test_log_probabilities_are_those_of_vllm(served):
    events = list(served.engine.submit([asked(served, tokens=2, logprobs=2)])[0])
    first = expected(asked(served))[0]
    assert (events[0].score.token, events[0].score.logprob) == (first, -1.0)
    assert [(one.token, one.logprob) for one in events[0].likeliest] == [(first, -1.0), (first + 1, -2.0)]
    (event,) = served.engine.submit([asked(served, tokens=1, logprobs=0)])[0]
    assert (event.score.logprob, event.likeliest) == (-1.0, ())


def test_a_cancelled_text_frees_vllm(served, fake):
    streams = served.engine.submit([asked(served, fake_vllm.ENDLESS, 200) for _ in range(6)])
    assert (served.engine.running, served.engine.waiting) == (4, 2)
    next(iter(streams[0]))
    for stream in streams[::-1]:
        stream.cancel()
    until(lambda: not served.engine.running and not served.engine.waiting and (fake.place / "left").exists())
    assert list(streams[0]) == []


def test_no_more_texts_are_taken_than_have_room(served):
    with pytest.raises(DataError, match="13 texts are more than the 12"):
        served.engine.submit([asked(served)] * 13)
    streams = served.engine.submit([asked(served, fake_vllm.ENDLESS, 200)] * 10)
    with pytest.raises(BusyError, match="6 texts are waiting already, of at most 8"):
        served.engine.submit([asked(served)] * 3)
    for stream in streams:
        stream.cancel()


def test_weights_are_rounded_and_that_is_told(served):
    assert isinstance(served.engine, RoundsWeights)
    assert served.engine.dials == (1, 1)
    run = served.run.opened
    same, notes = served.engine.rounded(run.tradeoff("0.25,0.75"))
    assert (same.weights.tolist(), notes) == ([[0.25, 0.75]], ())
    other, notes = served.engine.rounded(run.tradeoff("0.3,0.7"))
    assert other.weights.tolist() == [[19 / 64, 45 / 64]]
    assert notes == ("vLLM generates at weights that are multiples of 1/64; these are the nearest.",)
    with pytest.raises(ConfigError, match="dial: 2 is not available on vLLM, only 1; --engine transformers has all of them"):
        served.engine.rounded(run.tradeoff("0.3,0.7", "2"))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"dial": "2"}, "dial: 2 is not available on vLLM"),
        ({"tokens": 254}, "prompt: 3 prompt tokens, 0 prefix tokens and 254 new tokens exceed the 256 of vLLM"),
        ({"tokens": 600}, "exceed the model's context of 512"),
        ({"sampling": TokenSampling(temperature=0.001)}, "temperature: 0.001 is not available on vLLM; give 0, or at least 0.01"),
        ({"sampling": TokenSampling(bias={900: 1.0})}, "the bias names token 900"),
    ],
)
def test_what_vllm_cannot_do_is_refused(served, changes, told):
    with pytest.raises((DataError, ConfigError), match=told):
        served.engine.check(asked(served, **changes), "prompt")


def test_the_room_of_a_prompt_is_that_of_vllm(served):
    assert served.engine.room(served.engine.text([5, 6], "prompt")) == fake_vllm.LONGEST - 2
    served.engine.check(asked(served, tokens=253), "prompt")


@pytest.mark.parametrize(
    ("first", "error", "told"),
    [
        (fake_vllm.HALF, BusyError, "vLLM ended before the text did; send the request again later"),
        (fake_vllm.LEAVES, BusyError, "vLLM ended before the text did"),
        (fake_vllm.ABORTS, BusyError, "vLLM ended before the text did"),
        (fake_vllm.FAILS, BusyError, r"vLLM failed and may be started again; send the request again later \(it is too much\)"),
        (fake_vllm.TOLD, BusyError, r"later \(the engine is dead\)"),
        (fake_vllm.REFUSED, DataError, "vLLM refuses the request: it is too much"),
        (fake_vllm.ELSEWHERE, RunError, "vLLM generates at brief=0,calm=1, and was asked for brief=0.25,calm=0.75"),
        (fake_vllm.STRANGE, RunError, "vLLM answered with what is not understood"),
    ],
)
def test_a_failure_is_told_and_never_half_a_text(served, first, error, told):
    (stream,) = served.engine.submit([asked(served, first)])
    with pytest.raises(error, match=told):
        list(stream)
    good = asked(served)
    assert whole(served.engine.submit([good])[0])[0] == expected(good)


def test_a_vllm_that_dies_is_started_again_and_nobody_waits_for_it(served, fake):
    before = served.engine._supervisor.server
    firsts = [fake_vllm.ENDLESS] * 3 + [fake_vllm.DIES] + [fake_vllm.ENDLESS] * 2  # of which two wait for a place
    for stream in served.engine.submit([asked(served, first, 200) for first in firsts]):
        with pytest.raises(BusyError, match="vLLM ended") as caught:
            list(stream)
        assert caught.value.seconds >= 1
    until(lambda: served.engine.is_alive and served.engine._supervisor.server is not before)
    good = asked(served)
    assert whole(served.engine.submit([good])[0])[0] == expected(good)


def test_nothing_is_taken_while_there_is_no_vllm(served, monkeypatch):
    request, supervisor = asked(served), served.engine._supervisor
    monkeypatch.setattr(supervisor, "server", None)
    monkeypatch.setattr(supervisor, "_expected", time.monotonic() + 30.4)
    assert not served.engine.is_alive
    with pytest.raises(BusyError, match="vLLM ended and is started again; send the request again in 31 s") as caught:
        served.engine.submit([request])
    assert 29 < caught.value.seconds <= 30.4


def test_a_closed_engine_ends_what_it_took_first(start, fake):
    found = start()
    folders = found.engine._launch.folder.parent, found.engine._launch.adapters
    assert all(folder.is_dir() for folder in folders)
    streams = found.engine.submit([asked(found, tokens=3) for _ in range(6)])
    found.engine.close()
    assert [whole(stream)[0] for stream in streams] == [expected(asked(found, tokens=3))] * 6
    with pytest.raises(BusyError, match="is stopping"):
        found.engine.submit([asked(found)])
    assert not any(folder.exists() for folder in folders)


def test_an_engine_that_is_closed_at_once_says_so(start, monkeypatch):
    at_exit = []
    monkeypatch.setattr("atexit.register", at_exit.append)
    found = start()
    assert [act.__self__ for act in at_exit] == [found.engine._launch]
    streams = found.engine.submit([asked(found, fake_vllm.ENDLESS, 200) for _ in range(5)])
    next(iter(streams[0]))
    found.engine.close(timeout=0.01)
    for stream in streams:
        with pytest.raises(BusyError, match="stopped before the text ended"):
            list(stream)


def test_choices_are_served_at_their_own_weights():
    choices = {"gentle": ([0.123, 0.877], 1.0), "far": ([0.4, 0.6], 4.0)}
    record = {"name": "moft", "base_name": "base", "objectives": ["brief", "calm"]}
    record["choices"] = {
        name: {"weights": dict(zip(record["objectives"], weights, strict=True)), "dial": dial}
        for name, (weights, dial) in choices.items()
    }
    found = ServedWeights(SimpleNamespace(magnitude=lambda tradeoff: tradeoff.betas[:, :1]), record, 64)

    def at(*weights):
        return found.place(Tradeoff(torch.tensor([weights]), torch.ones(1, 2)))

    assert at(0.123, 0.877).model == "moft:gentle"
    assert at(0.123, 0.877).label == "brief=0.123,calm=0.877"
    assert (at(0.4, 0.6).model, at(0.4, 0.6).label) == ("moft", "brief=0.40625,calm=0.59375")


def test_a_prefix_counts_and_hides_the_prompt_from_penalties(start):
    found = start("{name: cos-dpo, conditioner: hpt}")
    assert found.engine.ahead == 8
    assert found.engine.rounded(found.run.opened.tradeoff("0.3,0.7"))[1] == ()
    with pytest.raises(DataError, match="repetition_penalty: vLLM does not see the tokens of the prompt after a prefix"):
        found.engine.check(asked(found, sampling=replace(TokenSampling(), repetition_penalty=1.1)), "prompt")
    found.engine.close()


@pytest.mark.parametrize("sampling", [{"typical_p": 0.9}, {"epsilon_cutoff": 0.1}, {"eta_cutoff": 0.1}, {"no_repeat_ngram": 2}])
def test_ways_to_sample_that_vllm_lacks_are_refused(served, sampling):
    with pytest.raises(DataError, match=f"^{next(iter(sampling))}: is not available on vLLM; --engine transformers has it."):
        served.engine.check(asked(served, sampling=replace(TokenSampling(), **sampling)), "prompt")
    with pytest.raises(DataError, match="bias: vLLM takes single tokens"):
        served.engine.check(asked(served, sampling=replace(TokenSampling(), bias={(3, 4): 1.0})), "prompt")
