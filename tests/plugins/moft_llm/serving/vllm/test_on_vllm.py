"""The engine on a real vLLM gives moft's greedy tokens, and outlives a kill; skipped unless MOFT_VLLM_PYTHON names one."""

from __future__ import annotations

import os
import signal
from types import SimpleNamespace

import pytest

import moft
from benchmarks.support.vllm_server import PYTHON
from moft import BusyError
from moft.api import EncodedPrompt, TextEngineSettings, TextRequest, TokenSampling
from moft_llm.generation.decoding import Decoding
from moft_llm.generation.generate import generate
from moft_llm.generation.opened_llm_run import LLMRun
from moft_llm.generation.texts.detokenization import detokenize_responses
from moft_llm.serving.engine import BatchedEngine
from tests.plugins.moft_llm.serving.vllm.conftest import until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PYTHON not in os.environ, reason=f"{PYTHON} names no interpreter with vLLM; CONTRIBUTING.md says more"),
]

METHODS = {
    "hpt": ("{name: cos-dpo, conditioner: hpt}", 0.25),
    "hyper-lora": ("{name: cos-dpo, conditioner: hyper-lora}", 4),
    "both": ("{name: cos-dpo, conditioner: [hpt, hyper-lora]}", 0.25),
}
"""And alpha of LoRA: so little that training leaves a model that writes text, and so much that it depends on the weights."""
COUNT, STEPS = 64, 24
STARTS = ["Once upon a time", "The little dog", "Lily saw a big", "One day, Tom"]
PROMPTS = [f"{STARTS[number % 4]} {'and then ' * (number // 16)}".strip() for number in range(COUNT)]
OPTIONS = ("--slots", "6", "--kept", "8", "--max-model-len", "128", "--enforce-eager")


@pytest.fixture(scope="module", params=METHODS)
def served(request, tuned, stories):
    """The engine, the run that it serves, and the same run as moft has it."""
    from moft_llm.serving.vllm.engine import VLLMEngine

    method, alpha = METHODS[request.param]
    path = tuned(method, lora=f"{{rank: 4, alpha: {alpha}}}", model=stories("stories15m"), template="'Story: {prompt} Go on:'")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
        patch.delenv("PYTHONPATH", raising=False)
        own, other = (LLMRun(path, "tests", opened=moft.open_run(path, device="cpu")) for _ in range(2))
        settings = TextEngineSettings(rows=32, engine="vllm", python=os.environ[PYTHON], options=OPTIONS)
        engine = VLLMEngine(other, settings)
        yield SimpleNamespace(kind=request.param, engine=engine, own=own)
        engine.close()


def asked(served, number, **more):
    prompt = served.engine.chat([{"role": "user", "content": PROMPTS[number]}], "messages")
    tradeoff = served.own.opened.tradeoff(f"{number / COUNT},{1 - number / COUNT}")
    return TextRequest(prompt, tradeoff, STEPS, TokenSampling(temperature=0), **more)


def expected(served, requests):
    """Tokens and texts of `moft generate`."""
    tradeoff = served.own.opened.tradeoffs([(one.tradeoff.weights[0].tolist(), None, "here") for one in requests])
    prompts = [list(one.prompt.tokens) for one in requests]
    rows = generate(served.own.assignments(tradeoff), prompts, Decoding(STEPS, greedy=True))
    tokens = [[int(token) for token in row] for row in rows]
    return tokens, detokenize_responses(served.own.task.prompt_template().tokenizer, prompts, tokens)


def whole(streams):
    events = [list(stream) for stream in streams]
    tokens = [[event.token for event in each if event.token is not None] for each in events]
    return tokens, ["".join(event.text for event in each) for each in events]


def test_texts_are_those_of_moft_at_64_weightings_in_one_go(served):
    requests = [asked(served, number) for number in range(COUNT)]
    found = whole(served.engine.submit(requests))
    assert found == expected(served, requests)
    assert len(set(found[1])) > COUNT / 2


def test_log_probabilities_are_those_of_moft(served):
    run, request = served.own, asked(served, 20, logprobs=3)
    engine = BatchedEngine(run, TextEngineSettings())
    try:
        pairs = [zip(*(list(one.submit([request])[0]) for one in (engine, served.engine)), strict=True)]
        for own, found in pairs[0]:
            assert (found.token, found.text, found.finish) == (own.token, own.text, own.finish)
            if own.score is not None:
                assert found.score.logprob == pytest.approx(own.score.logprob, abs=1e-3)
                assert [one.token for one in found.likeliest] == [one.token for one in own.likeliest]
    finally:
        engine.close()


def test_settings_of_sampling_have_an_effect(served):
    request = asked(served, 20)
    greedy, sampled = TokenSampling(temperature=0), TokenSampling(temperature=1, seed=3)
    cases = {
        "seed": sampled,
        "the same": sampled,
        "other": TokenSampling(temperature=1, seed=4),
        "banned": TokenSampling(temperature=0, bias={expected(served, [request])[0][0][0]: -100.0}),
        "fresh": TokenSampling(temperature=0, presence_penalty=2.0, frequency_penalty=2.0),
        "greedy": greedy,
        "first": TokenSampling(temperature=1, top_k=1, seed=9),
    }
    asked_for = [TextRequest(request.prompt, request.tradeoff, STEPS, each) for each in cases.values()]
    found = dict(zip(cases, whole(served.engine.submit(asked_for))[0], strict=True))
    assert found["seed"] == found["the same"] != found["other"]
    assert found["first"] == found["greedy"] != found["banned"]
    assert found["fresh"] != found["greedy"]


def test_a_stop_string_ends_a_text(served):
    request = asked(served, 20)
    (_, (text,)) = expected(served, [request])
    (_, (found,)) = whole(served.engine.submit([asked(served, 20, stop=(text[10:13],))]))
    assert found == text[: text.index(text[10:13])]


def test_a_killed_vllm_is_started_again(served):
    if served.kind != "both":  # a start takes minutes
        return
    engine = served.engine
    request = TextRequest(EncodedPrompt((5, 6)), asked(served, 0).tradeoff, 100, TokenSampling(temperature=0, bias={2: -100.0}))
    streams = engine.submit([request] * 40)
    next(iter(streams[0]))
    before = engine._supervisor.server
    os.kill(before.pid, signal.SIGKILL)
    for stream in streams:
        with pytest.raises(BusyError, match=r"vLLM (ended|failed)"):
            list(stream)
    until(lambda: engine._supervisor.server is not before and engine.is_alive, 300)
    again = [asked(served, number) for number in range(0, COUNT, 8)]
    assert whole(engine.submit(again)) == expected(served, again)
