"""Chats and completions by the package `openai`: each at weights of its own, whole and in pieces, and what is refused."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from types import SimpleNamespace

import openai
import pytest
from fastapi.testclient import TestClient

from moft_llm.generation.decoding import Decoding
from moft_llm.generation.opened_llm_run import APPROXIMATE, LLMRun
from moft_llm.generation.prompts.prompt_requests import Request
from moft_serve.application import application
from moft_serve.models.served_models import Models

pytestmark = pytest.mark.slow  # a run is trained

WEIGHTS = {"brief": 0.25, "calm": 0.75}
STEERED = {"weights": WEIGHTS}
MESSAGES = [{"role": "user", "content": "Day 3: "}]
GREEDY = {"model": "tiny", "messages": MESSAGES, "max_tokens": 8, "temperature": 0, "extra_body": STEERED}


def generated(served, weights="0.25,0.75", dial="1", prompt="Day 3: ", seed=0, **decoding):
    """The text of `moft generate`."""
    run = LLMRun("tiny", "tests", opened=next(iter(served.models)).run)
    requests = [Request(prompt, weights, dial, "prompt")]
    settings = Decoding(**({"max_new_tokens": 8, "greedy": True} | decoding))
    return run.responses(run.assignments(run.tradeoff(requests)), requests, settings, seed)[0]


async def pieces(stream):
    return [piece async for piece in await stream]


def test_a_chat_is_answered_as_moft_generate_does(served, ask):
    answer = ask(lambda client: client.chat.completions.create(**GREEDY))
    choice = answer.choices[0]
    assert choice.message.content == generated(served)
    assert (choice.message.role, choice.finish_reason, choice.logprobs) == ("assistant", "length", None)
    assert (answer.object, answer.model) == ("chat.completion", "tiny")
    assert answer.usage.to_dict() == {"prompt_tokens": 7, "completion_tokens": 8, "total_tokens": 15}
    assert answer.model_extra["tradeoff"] == {"weights": WEIGHTS, "dial": 1.0}


def test_a_seed_gives_the_text_of_moft_generate(served, ask):
    drawn = {"temperature": 0.9, "top_p": 0.95, "seed": 11, "extra_body": STEERED | {"top_k": 30}}
    answer = ask(lambda client: client.chat.completions.create(**GREEDY | drawn))
    given = {"greedy": False, "sampling_temperature": 0.9, "top_p": 0.95, "top_k": 30}
    assert answer.choices[0].message.content == generated(served, seed=11, **given)


@pytest.mark.parametrize(
    ("fields", "weights", "dial"),
    [
        ({"model": "tiny:brief=0.25,calm=0.75"}, "0.25,0.75", "1"),
        ({"model": "tiny:1,0"}, "1,0", "1"),
        ({"model": "tiny:calm=1", "extra_body": {"dial": 2}}, "0,1", "2"),
        ({"extra_body": {"weights": [3, 1], "normalize": True, "dial": 0.5}}, "0.75,0.25", "0.5"),
    ],
)
def test_weights_are_given_beside_the_request_or_in_the_name(served, ask, fields, weights, dial):
    given = {name: value for name, value in GREEDY.items() if name != "extra_body"} | fields
    answer = ask(lambda client: client.chat.completions.create(**given))
    assert answer.choices[0].message.content == generated(served, weights, dial)
    tradeoff = answer.model_extra["tradeoff"]
    assert list(tradeoff["weights"].values()) == [float(one) for one in weights.split(",")]
    assert tradeoff["dial"] == float(dial)
    assert tradeoff.get("notes", []) == ([] if dial == "1" else [APPROXIMATE])


def test_a_chat_is_streamed_in_pieces(served, ask):
    fields = GREEDY | {"n": 2, "temperature": 1, "seed": 3}
    whole = ask(lambda client: client.chat.completions.create(**fields))
    stream = {"stream": True, "stream_options": {"include_usage": True}}
    found = ask(lambda client: pieces(client.chat.completions.create(**fields, **stream)))
    for index in (0, 1):
        own = [piece.choices[0] for piece in found if piece.choices and piece.choices[0].index == index]
        assert own[0].delta.role == "assistant"
        assert "".join(one.delta.content or "" for one in own) == whole.choices[index].message.content
        assert [one.finish_reason for one in own] == [None] * (len(own) - 1) + [whole.choices[index].finish_reason]
    assert whole.choices[0].message.content != whole.choices[1].message.content
    assert {piece.object for piece in found} == {"chat.completion.chunk"}
    assert len({piece.id for piece in found}) == 1
    assert [piece.usage for piece in found[:-1]] == [None] * (len(found) - 1)
    assert found[-1].usage == whole.usage
    assert found[0].model_extra["tradeoff"] == whole.model_extra["tradeoff"]


def test_completions_go_on_with_texts_and_tokens(served, ask):
    run = LLMRun("tiny", "tests", opened=next(iter(served.models)).run)
    tokens = run.task.prompt_template().tokenize(["Day 4: "])[0]
    fields = {"model": "tiny", "max_tokens": 8, "temperature": 0, "extra_body": STEERED}

    async def both(client):
        texts = client.completions.create(prompt=["Day 3: ", "Day 4: "], n=2, **fields)
        return await asyncio.gather(texts, client.completions.create(prompt=tokens, **fields))

    texts, numbers = ask(both)
    expected = [generated(served), generated(served, prompt="Day 4: ")]
    assert [choice.text for choice in texts.choices] == [expected[0]] * 2 + [expected[1]] * 2
    assert [choice.index for choice in texts.choices] == [0, 1, 2, 3]
    assert numbers.choices[0].text == expected[1]
    assert texts.object == "text_completion"
    short = ask(lambda client: client.completions.create(model="tiny", prompt="Day 3: ", temperature=0, extra_body=STEERED))
    assert short.usage.completion_tokens <= 16
    streamed = ask(lambda client: pieces(client.completions.create(prompt="Day 3: ", stream=True, **fields)))
    assert "".join(piece.choices[0].text for piece in streamed) == expected[0]


def test_log_probabilities_come_in_both_forms(served, ask):
    chat = ask(lambda client: client.chat.completions.create(**GREEDY, logprobs=True, top_logprobs=2))
    content = chat.choices[0].logprobs.content
    text = b"".join(bytes(one.bytes) for one in content)
    assert text.decode(errors="replace") == chat.choices[0].message.content
    for one in content:
        assert one.logprob == one.top_logprobs[0].logprob > one.top_logprobs[1].logprob
    fields = {"model": "tiny", "prompt": "Day 3: ", "max_tokens": 8, "temperature": 0, "extra_body": STEERED, "logprobs": 1}
    plain = ask(lambda client: client.completions.create(**fields)).choices[0].logprobs
    assert plain.token_logprobs == pytest.approx([one.logprob for one in content])
    assert plain.tokens == [one.token for one in content]
    assert [list(one) for one in plain.top_logprobs] == [[one] for one in plain.tokens]
    assert plain.text_offset == [len("".join(plain.tokens[:place])) for place in range(len(plain.tokens))]
    streamed = ask(lambda client: pieces(client.completions.create(**fields, stream=True)))
    scores = [piece.choices[0].logprobs for piece in streamed if piece.choices[0].logprobs]
    assert [offset for one in scores for offset in one.text_offset] == plain.text_offset


def test_a_stop_string_ends_the_text(served, ask):
    whole = generated(served)
    answer = ask(lambda client: client.chat.completions.create(**GREEDY, stop=[whole[3], "never"]))
    assert answer.choices[0].message.content == whole[: whole.index(whole[3])]
    assert answer.choices[0].finish_reason == "stop"


def test_requests_at_the_same_time_get_their_own_texts(served, ask):
    shares = [place / 4 for place in range(5)]

    async def all_of(client):
        def one(share):
            extra = {"weights": {"brief": share, "calm": 1 - share}}
            return client.chat.completions.create(**GREEDY | {"extra_body": extra})

        return await asyncio.gather(*map(one, shares))

    answers = ask(all_of)
    expected = [generated(served, f"{share},{1 - share}") for share in shares]
    assert [answer.choices[0].message.content for answer in answers] == expected
    assert len(set(expected)) > 1


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"extra_body": {}}, "weights: nothing is given; give one of weights, choice, wish"),
        ({"extra_body": {"weights": {"brief": 1, "loud": 0}}}, "'loud' is not an objective"),
        ({"extra_body": {"weights": [0.5, 0.6]}}, "must sum to 1"),
        ({"extra_body": {"choice": "best"}}, "has no choice 'best'"),
        ({"extra_body": STEERED | {"guided_json": {}}}, "guided_json: is not a field that is known here"),
        ({"model": "other"}, "model: there is no 'other'"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools: is not supported by this server; leave it out"),
        ({"response_format": {"type": "json_object"}}, "response_format: is not supported"),
        ({"user": "me"}, "user: is not supported"),
        ({"temperature": 3}, "temperature: input should be less than or equal to 2"),
        (
            {"extra_body": STEERED | {"repetition_penalty": 1e-40}},
            "repetition_penalty: input should be greater than or equal to 0.01",
        ),
        ({"logit_bias": dict.fromkeys(map(str, range(1001)), 1)}, "logit_bias: has 1,001 fields, and 1,000 are the most"),
        ({"n": 9}, "n: 9 texts are asked for, with 1 prompts; this server generates 8 at most"),
        ({"max_tokens": 65}, "max_tokens: 65 are more than the 64 that this server generates for a text"),
        ({"max_completion_tokens": 4}, "max_tokens: 8 and max_completion_tokens: 4 differ"),
        ({"messages": [{"role": "user", "content": "x" * 500}]}, "messages: 500 prompt tokens, 8 prefix tokens and 8 new tokens"),
        ({"messages": []}, "messages: list should have at least 1 item"),
        ({"messages": [*MESSAGES, *MESSAGES]}, "messages: the prompt has 2 messages, but the template 'none' takes one"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "it must be text, or parts"),
        ({"top_logprobs": 2}, "top_logprobs: needs logprobs: true"),
        ({"logit_bias": {"cat": 1}}, "logit_bias: 'cat' is no number of a token"),
        ({"logit_bias": {"900": 1}}, "the bias names token 900"),
        ({"stream_options": {"include_usage": True}}, "stream_options: needs stream: true"),
        ({"stop": ""}, "stop"),
    ],
)
def test_what_is_wrong_is_refused_in_a_sentence(served, ask, fields, told):
    with pytest.raises(openai.APIStatusError) as found:
        ask(lambda client: client.chat.completions.create(**GREEDY | fields))
    assert found.value.status_code == (404 if "model" in fields else 400)
    assert told in found.value.body["message"]
    assert found.value.body["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("prompt", "told"),
    [
        ("", "prompt: the prompt has no tokens"),
        ([], "prompt"),
        (["a", ""], "prompt[1]: the prompt has no tokens"),
        ([5, 100_000], "prompt: the token None is number 100000, but the model has embeddings of 300 tokens"),
        ([5, -1], "prompt"),
    ],
)
def test_prompts_without_text_are_refused(served, ask, prompt, told):
    with pytest.raises(openai.BadRequestError) as found:
        ask(lambda client: client.completions.create(model="tiny", prompt=prompt, extra_body=STEERED))
    assert told in found.value.body["message"]


@pytest.mark.parametrize(
    ("body", "media", "told"),
    [
        ("{", "application/json", "the body is not JSON (Expecting property name enclosed in double quotes, line 1, column 2)."),
        ("[1]", "application/json", "the body must be a JSON object."),
        ('{"weights": [1, 0], "weights": [0, 1]}', "application/json", "weights"),
        ('{"temperature": NaN}', "application/json", "NaN is not a JSON number"),
        ('{"stop": "\\ud800"}', "application/json", "\\ud800 is half of a character (a surrogate), which no text holds"),
        ("", "application/json", "the body must be a JSON object, with the content type application/json."),
        ("{}", "text/plain", "the body must be a JSON object, with the content type application/json."),
    ],
)
def test_a_body_that_is_no_json_is_refused(served, body, media, told):
    client = TestClient(served.app)
    answer = client.post("/v1/completions", content=body, headers={"content-type": media})
    assert answer.status_code == 400
    assert told in answer.json()["error"]["message"]


def test_fields_that_ask_for_nothing_are_taken(served, ask):
    neutral = {"tools": [], "response_format": {"type": "text"}, "user": None, "tool_choice": "none", "store": False}
    assert ask(lambda client: client.chat.completions.create(**GREEDY | neutral)).choices[0].message.content


def test_a_full_server_says_when_to_come_again(served, ask):
    async def many(client):
        fields = GREEDY | {"max_tokens": 16, "n": 8}
        return await asyncio.gather(*(client.chat.completions.create(**fields) for _ in range(3)), return_exceptions=True)

    found = ask(many)
    refused = [one for one in found if isinstance(one, openai.RateLimitError)]
    assert len(refused) == 1
    assert refused[0].response.headers["retry-after"] == "1"
    assert all(len(one.choices) == 8 for one in found if one not in refused)


def test_a_text_that_takes_too_long_is_given_up(served, ask):
    app = application(served.models, served.open, limits=replace(served.limits, text_timeout=0.001))
    with pytest.raises(openai.APIStatusError, match=r"the text did not end within 0\.001 s") as found:
        ask(lambda client: client.chat.completions.create(**GREEDY | {"max_tokens": 64}), app)
    assert found.value.status_code == 504
    with pytest.raises(openai.APIError, match=r"the text did not end within 0\.001 s"):
        ask(lambda client: pieces(client.chat.completions.create(**GREEDY | {"max_tokens": 64, "stream": True})), app)
    idle(served)


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_frees_its_places(served, stream):
    engine = next(iter(served.models)).engine
    body = {"model": "tiny", "messages": MESSAGES, "max_tokens": 64, "n": 8, "stream": stream, **STEERED}

    async def leave():
        begun = asyncio.Event()
        sent = iter([{"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}])

        async def receive():
            if (message := next(sent, None)) is not None:
                return message
            while not (begun.is_set() if stream else engine.running):
                await asyncio.sleep(0.001)
            return {"type": "http.disconnect"}

        async def send(message):
            if message["type"] == "http.response.body" and message["body"]:
                begun.set()

        headers = [(b"content-type", b"application/json")]
        scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "headers": headers, "query_string": b""}
        await served.app({**scope, "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http"}, receive, send)

    asyncio.run(leave())
    idle(served)


def test_a_reload_ends_the_texts_of_the_old_run_first(served, ask):
    old = served.models.get("tiny").engine

    async def reloaded(client):
        asked = asyncio.ensure_future(client.chat.completions.create(**GREEDY | {"max_tokens": 64, "n": 8}))
        while not old.running:
            await asyncio.sleep(0.001)
        await served.app.state.reloader.reload("tiny")
        return await asked, await client.chat.completions.create(**GREEDY)

    before, after = ask(reloaded)
    assert len(before.choices) == 8
    assert after.choices[0].message.content == generated(served)
    assert served.models.get("tiny").engine is not old
    assert not old.is_alive


def test_a_run_whose_engine_ended_is_told_by_the_probe(served):
    with_dead = replace(next(iter(served.models)), engine=SimpleNamespace(is_alive=False, running=0, waiting=0))
    client = TestClient(application(Models([with_dead]), served.open))
    answer = client.get("/health/ready")
    assert (answer.status_code, answer.json()) == (503, {"status": "generates no text of tiny now"})


def test_tokens_are_counted(served, ask):
    ask(lambda client: client.chat.completions.create(**GREEDY))
    idle(served)
    lines = ask(lambda client: client.get("http://here/metrics", cast_to=str)).splitlines()
    found = {line.split()[0]: float(line.split()[1]) for line in lines if line.startswith(("moft_text", "moft_prompt"))}
    assert found['moft_text_tokens_total{model="tiny"}'] >= 8
    assert found['moft_prompt_tokens_total{model="tiny"}'] >= 7
    assert found['moft_texts_running{model="tiny"}'] == found['moft_texts_waiting{model="tiny"}'] == 0


def idle(served):
    """Waits until no text is generated."""
    engine, until = next(iter(served.models)).engine, time.monotonic() + 5
    while engine.running or engine.waiting:
        assert time.monotonic() < until
        time.sleep(0.005)
