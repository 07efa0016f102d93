"""The text engine: texts at tradeoffs of their own are those of `moft generate`, whoever is beside them in the batch."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

import moft
from moft import BusyError, ConfigError, DataError, RunError
from moft.api import EncodedPrompt, TextEngineSettings, TextRequest, TokenSampling, generator_for
from moft_llm.data.preference_example import prompt_of
from moft_llm.generation.decoding import Decoding
from moft_llm.generation.generate import generate
from moft_llm.generation.opened_llm_run import APPROXIMATE, LLMRun
from moft_llm.generation.prompts.prompt_requests import Request
from moft_llm.generation.texts.detokenization import detokenize_responses
from moft_llm.plugin import moft_text_engine
from moft_llm.serving.engine import BatchedEngine

pytestmark = pytest.mark.slow  # runs are trained

GREEDY = TokenSampling(temperature=0)
PROMPTS = ["Day 3: ", "A longer prompt than the others, of day 12: ", "x", "Day 4: ", "Two words"]
WEIGHTS = [("0.2,0.8", "1"), ("1,0", "2"), ("0,1", "0.5"), ("0.7,0.3", "1"), ("0.5,0.5", "1e6")]


def opened(path):
    return LLMRun(path, "tests", opened=moft.open_run(path, device="cpu"))


@pytest.fixture(scope="module")
def run(tuned):
    return opened(tuned())


@pytest.fixture
def engine(run):
    made = BatchedEngine(run, TextEngineSettings(rows=4, queue=20, prompt_tokens=64))
    yield made
    made.close(drain=False)


def asked(run, engine, place, tokens=12, **more):
    weights, dial = WEIGHTS[place % len(WEIGHTS)]
    prompt = engine.text(PROMPTS[place % len(PROMPTS)], "prompt")
    given = {"sampling": GREEDY} | more
    return TextRequest(prompt, run.opened.tradeoff(weights, dial), tokens, **given)


def whole(stream):
    events = list(stream)
    assert [event.finish for event in events[:-1]] == [None] * (len(events) - 1)
    return (
        [event.token for event in events if event.token is not None],
        "".join(event.text for event in events),
        events[-1].finish,
    )


def expected(run, request, greedy=True):
    """Tokens and text by `moft generate`, alone; the engine has to be idle."""
    decoding = Decoding(
        request.max_tokens, greedy, request.sampling.temperature or 1.0, request.sampling.top_k, request.sampling.top_p
    )
    tokens = list(request.prompt.tokens)
    drawn = [generator_for(request.sampling.seed, "generate", request.sample)]
    (found,) = generate(run.assignments(request.tradeoff), [tokens], decoding, generators=drawn)
    return found, detokenize_responses(run.task.prompt_template().tokenizer, [tokens], [found])[0]


@pytest.mark.parametrize(
    "method",
    [
        "{name: cos-dpo, conditioner: hpt}",
        "{name: cos-dpo, conditioner: hyper-lora}",
        "{name: cos-dpo, conditioner: [hpt, hyper-lora]}",
        "{name: dpo-ls, points: 3}",
        "dpo-soup",
    ],
)
def test_texts_that_join_and_leave_are_those_of_moft_generate(tuned, method):
    run = opened(tuned(method))
    engine = BatchedEngine(run, TextEngineSettings(rows=2, queue=20, prompt_tokens=64))
    try:
        requests = [asked(run, engine, place, tokens) for place, tokens in enumerate((12, 3, 7, 1, 9))]
        streams = [stream for request in requests for stream in engine.submit([request])]
        found = [whole(stream) for stream in streams]
        for request, (tokens, text, finish) in zip(requests, found, strict=True):
            assert (tokens, text) == expected(run, request)
            assert finish == ("length" if len(tokens) == request.max_tokens else "stop")
        assert (engine.running, engine.waiting) == (0, 0)
    finally:
        engine.close()


def test_models_whose_rows_cannot_join_have_a_batch_for_each_text(run, engine, monkeypatch):
    monkeypatch.setattr("moft_llm.serving.engine.can_join", lambda model: False)
    requests = [asked(run, engine, place, 4) for place in range(4)]
    found = [whole(stream)[:2] for stream in engine.submit(requests)]
    assert found == [expected(run, request) for request in requests]


def test_draws_are_those_of_moft_generate_for_a_seed_and_a_place(run, engine):
    drawn = TokenSampling(temperature=0.8, top_k=20, top_p=0.9, seed=5)
    requests = [asked(run, engine, 1, sampling=drawn, sample=place) for place in range(3)]
    requests += [asked(run, engine, 2, sampling=TokenSampling(seed=7)), asked(run, engine, 0)]
    found = [whole(stream)[0] for stream in engine.submit(requests)]
    assert found == [expected(run, request, request.sampling.temperature == 0)[0] for request in requests]
    assert found[0] != found[1]


@pytest.mark.parametrize("temperature", [1e-320, 1e-40, 1e-7])
def test_a_temperature_that_is_nearly_0_takes_the_likeliest_tokens(run, engine, temperature):
    cold, greedy = (asked(run, engine, 0, sampling=TokenSampling(temperature=each)) for each in (temperature, 0))
    found = [whole(stream) for stream in engine.submit([cold, greedy])]
    assert found[0] == found[1]
    assert expected(run, cold, greedy=False)[0] == found[0][0]


def test_notes_say_that_a_dial_is_approximate(run, engine):
    streams = engine.submit([asked(run, engine, 0), asked(run, engine, 1)])
    for stream in streams:
        whole(stream)
    assert [stream.notes for stream in streams] == [(), (APPROXIMATE,)]


def test_a_stop_string_ends_a_text_before_it(run, engine):
    request = asked(run, engine, 0)
    _, text = expected(run, request)
    assert len(text) > 4
    tokens, found, finish = whole(engine.submit([replace(request, stop=(text[2:4], "never"))])[0])
    assert (found, finish) == (text[: text.index(text[2:4])], "stop")
    assert len(tokens) < 12


def test_log_probabilities_are_those_of_the_logits_at_the_dial(run, engine):
    request = asked(run, engine, 1, 3, logprobs=4)
    events = [event for event in engine.submit([request])[0] if event.token is not None]
    model = run.assignments(request.tradeoff)[0]
    network = model.model.network
    words = network.get_input_embeddings()
    tokens = list(request.prompt.tokens)
    prefix = model.model.prefix(1, model.injection)
    for event in events:
        embedded = words(torch.tensor([tokens]))
        with torch.no_grad(), model.model.gated(model.model.gates(1, model.injection)):
            own = network(inputs_embeds=torch.cat([prefix, embedded], 1)).logits[0, -1]
        with torch.no_grad(), model.model.without_adapters():
            base = network(inputs_embeds=embedded).logits[0, -1]
        logits = (base + (own - base) / 2)[: len(model.model.tokenizer)].log_softmax(-1)
        assert event.score.logprob == pytest.approx(logits[event.token].item(), abs=1e-4)
        assert [one.token for one in event.likeliest] == logits.topk(4).indices.tolist()
        assert event.score == replace(event.likeliest[0], logprob=event.score.logprob)
        tokens.append(event.token)


def test_penalties_and_biases_change_what_is_likely(run, engine):
    plain = asked(run, engine, 0, 12)
    (first, *_), _ = expected(run, plain)
    banned, forced, fresh = (
        replace(plain, sampling=replace(GREEDY, **change))
        for change in ({"bias": {first: -100.0}}, {"bias": {70: 1000.0}}, {"presence_penalty": 1e4})
    )
    twice = replace(plain, sampling=replace(GREEDY, repetition_penalty=1e6))
    often = replace(plain, sampling=replace(GREEDY, frequency_penalty=1e4))
    found = [whole(stream)[0] for stream in engine.submit([banned, forced, fresh, twice, often])]
    assert found[0][0] != first
    assert found[1] == [70] * 12
    for tokens in found[2:]:
        assert len(set(tokens)) == len(tokens)


def test_a_cancelled_text_frees_its_place(run, engine):
    tokens, _ = expected(run, asked(run, engine, 0))
    streams = engine.submit([asked(run, engine, 0, 400) for _ in range(4)])
    for stream in streams:
        next(iter(stream))
    (waits,) = engine.submit([asked(run, engine, 0)])
    assert engine.waiting == 1
    streams[1].cancel()
    assert whole(waits)[0] == tokens
    assert list(streams[1]) == []
    for stream in streams:
        stream.cancel()
    until = time.monotonic() + 10
    while engine.running and time.monotonic() < until:
        time.sleep(0.01)
    assert engine.running == 0


def test_events_come_to_an_event_loop(run, engine):
    request = asked(run, engine, 0)

    async def texts():
        async def one(stream):
            return "".join([event.text async for event in stream])

        return await asyncio.gather(*map(one, engine.submit([request, request])))

    assert asyncio.run(texts()) == [expected(run, request)[1]] * 2


def test_no_more_texts_are_taken_than_have_room(run, engine):
    with pytest.raises(DataError, match="25 texts are more than the 24 that the server generates and keeps waiting at once"):
        engine.submit([asked(run, engine, 0)] * 25)
    streams = engine.submit([asked(run, engine, 0, 300)] * 20)
    with pytest.raises(BusyError, match="texts are waiting already, of at most 20; try again later"):
        engine.submit([asked(run, engine, 0)] * 5)
    for stream in streams:
        stream.cancel()


def test_a_closed_engine_ends_what_it_took_and_takes_no_more(run):
    engine = BatchedEngine(run, TextEngineSettings(rows=1))
    request = asked(run, engine, 0)
    streams = engine.submit([request, request])
    engine.close()
    assert [whole(stream)[0] for stream in streams] == [expected(run, request)[0]] * 2
    assert not engine.is_alive
    with pytest.raises(BusyError, match="is stopping"):
        engine.submit([request])


def test_an_engine_that_is_closed_at_once_says_so_to_those_who_wait(run):
    engine = BatchedEngine(run, TextEngineSettings(rows=1))
    streams = engine.submit([asked(run, engine, 0, 400)] * 2)
    next(iter(streams[0]))
    engine.close(drain=True, timeout=0)
    for stream in streams:
        with pytest.raises(BusyError, match="stopped before the text ended"):
            list(stream)


def test_an_engine_without_a_thread_generates_while_a_text_is_waited_for(run, engine):
    idle = BatchedEngine(run, TextEngineSettings(rows=2, in_background=False))
    requests = [asked(run, idle, place) for place in range(3)]
    broken = replace(requests[0], prompt=EncodedPrompt((10**6,)))
    streams = idle.submit(requests)
    assert (idle.running, idle.waiting) == (0, 3)
    assert [whole(stream)[:2] for stream in streams[1:]] == [expected(run, request) for request in requests[1:]]
    with pytest.raises(RunError, match="generating failed: IndexError"):
        list(idle.submit([broken])[0])
    assert whole(streams[0])[:2] == expected(run, requests[0])

    async def one(stream):
        return "".join([event.text async for event in stream])

    waits, stopped = idle.submit(requests[:2])
    assert asyncio.run(one(waits)) == expected(run, requests[0])[1]
    idle.close()
    assert whole(stopped)[:2] == expected(run, requests[1])
    assert not idle.is_alive
    with pytest.raises(BusyError, match="is stopping"):
        idle.submit(requests)
    closed = BatchedEngine(run, TextEngineSettings(in_background=False))
    (stream,) = closed.submit(requests[:1])
    next(stream)
    closed.close(drain=False)
    with pytest.raises(BusyError, match="stopped before the text ended"):
        list(stream)


def test_a_text_that_waits_for_a_place_comes_to_an_event_loop_without_a_thread(run):
    idle = BatchedEngine(run, TextEngineSettings(rows=1, in_background=False))
    requests = [asked(run, idle, place) for place in range(2)]

    async def one(stream):
        return "".join([event.text async for event in stream])

    _, waits = idle.submit(requests)
    assert asyncio.run(asyncio.wait_for(one(waits), 60)) == expected(run, requests[1])[1]


def test_a_failure_ends_its_own_texts_alone(run, engine, monkeypatch):
    request = asked(run, engine, 0, 400)
    (stream,) = engine.submit([request])
    next(iter(stream))
    broken = replace(request, prompt=EncodedPrompt((10**6,)))
    with pytest.raises(RunError, match="generating failed: IndexError"):
        list(engine.submit([broken])[0])
    next(iter(stream))
    stream.cancel()


def test_an_engine_that_ends_by_an_error_lets_nobody_wait(run, monkeypatch):
    def broken(self):
        raise RuntimeError("no memory")

    monkeypatch.setattr("moft_llm.serving.running_batch.RunningBatch.step", lambda self: None)
    monkeypatch.setattr("moft_llm.serving.engine.BatchedEngine._drop", broken)
    engine = BatchedEngine(run, TextEngineSettings())
    request = asked(run, engine, 0)
    (stream,) = engine.submit([request])
    with pytest.raises(BusyError, match="stopped before the text ended"):
        list(stream)
    assert not engine.is_alive
    with pytest.raises(BusyError):
        engine.submit([request])
    engine.close()


def test_what_cannot_be_generated_is_refused(run, engine, tuned):
    with pytest.raises(
        DataError, match="prompt: 4 prompt tokens, 8 prefix tokens and 600 new tokens exceed the model's context of 512"
    ):
        engine.check(replace(asked(run, engine, 0, 600), prompt=EncodedPrompt((5, 6, 7, 8))), "prompt")
    with pytest.raises(DataError, match="prompt: the prompt has no tokens"):
        engine.text("", "prompt")
    with pytest.raises(DataError, match="prompt: prompt has half of a surrogate pair at character 1"):
        engine.text("a\ud800", "prompt")
    with pytest.raises(DataError, match="messages: message 1 of prompt is"):
        engine.chat([{"role": "user"}], "messages")
    with pytest.raises(ConfigError, match="are not a multiple of the trained ones"):
        engine.check(replace(asked(run, engine, 0), tradeoff=run.opened.tradeoff("0.5,0.5", "1,2")), "prompt")
    with pytest.raises(DataError, match="the bias names token 900, but the model has tokens 0 to 299"):
        engine.check(asked(run, engine, 0, sampling=replace(GREEDY, bias={900: 1.0})), "logit_bias")
    assert engine.room(EncodedPrompt((5,) * 7)) == 512 - 8 - 7


def test_a_chat_is_rendered_as_in_training(run, monkeypatch):
    template = replace(run.task.prompt_template(), text="chat")
    monkeypatch.setattr(run.task, "_prompt_template", template)
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Day 3"}]
    asked_for = [Request(prompt_of(messages, "prompt"), "0.2,0.8", "1", "prompt")]
    tradeoff = run.tradeoff(asked_for)
    decoding = Decoding(max_new_tokens=8, greedy=True)
    (expected_text,) = run.responses(run.assignments(tradeoff), asked_for, decoding, 0)
    engine = BatchedEngine(run, TextEngineSettings(rows=1))
    prompt = engine.chat(messages, "messages")
    assert list(prompt.tokens) == run.tokens(asked_for)[0]
    assert whole(engine.submit([TextRequest(prompt, tradeoff, 8, GREEDY)])[0])[1] == expected_text
    plain = engine.text("Day 3</s>", "prompt").tokens
    assert run.task.prompt_template().tokenizer.eos_token_id not in plain  # a name in a text is text
    engine.close()


def test_runs_of_other_tasks_have_no_engine():
    assert moft_text_engine(SimpleNamespace(task=object()), TextEngineSettings()) is None
