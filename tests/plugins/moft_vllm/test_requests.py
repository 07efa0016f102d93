"""Requests for vLLM: prompts as embeddings or adapters by name, and what is refused."""

from __future__ import annotations

import json

import pytest
import torch
from torch.testing import assert_close

from moft_vllm.errors import RequestError
from moft_vllm.prompts import EMBEDDED
from moft_vllm.requests import CHAT, COMPLETIONS
from moft_vllm.served import open_served


@pytest.fixture(autouse=True)
def _readable(monkeypatch):
    """Embeddings as JSON, for only vLLM reads those of torch here."""
    monkeypatch.setattr("moft_vllm.requests._encoded", lambda tensor: json.dumps(tensor.tolist()))


def tensor_of(data):
    return torch.tensor(json.loads(data))


@pytest.fixture
def soft(exported):
    return open_served(exported()).requests


@pytest.fixture
def gated(exported):
    return open_served(exported("hyper-lora")).requests


def rewritten(requests, path, longest=None, **body):
    return requests.rewritten(path, json.dumps(body).encode(), longest)


def test_a_prompt_becomes_embeddings_after_the_prefix(soft, exported):
    new = rewritten(soft, COMPLETIONS, model="moft", weights=[0.2, 0.8], prompt="Day 3", max_tokens=5, stop_token_ids=[9])
    body = json.loads(new.body)
    policy = open_served(exported()).requests._policy
    tokens = soft._prompts.of_completion("Day 3")[0]
    assert_close(tensor_of(body["prompt_embeds"][0]), policy.embedded([0.2, 0.8], tokens))
    assert {key: value for key, value in body.items() if key != "prompt_embeds"} == {
        "model": "moft",
        "max_tokens": 5,
        "stop_token_ids": [9, 1],
    }
    assert (new.adapter, new.tradeoff.weights) == (None, (0.2, 0.8))


def test_several_prompts_and_tokens_are_prompts_too(soft):
    texts = json.loads(rewritten(soft, COMPLETIONS, model="moft:1,0", prompt=["a", "bc"]).body)["prompt_embeds"]
    tokens = [soft._prompts.of_completion(text)[0] for text in ("a", "bc")]
    again = json.loads(rewritten(soft, COMPLETIONS, model="moft:1,0", prompt=tokens).body)["prompt_embeds"]
    one = json.loads(rewritten(soft, COMPLETIONS, model="moft:1,0", prompt=tokens[1]).body)["prompt_embeds"]
    assert texts == again
    assert one == again[1:]


def test_a_chat_becomes_one_message_of_embeddings(soft):
    said = [{"role": "user", "content": [{"type": "text", "text": "Day 3"}]}]
    body = json.loads(rewritten(soft, CHAT, model="moft:1,0", messages=said, stream=True).body)
    (message,) = body["messages"]
    (part,) = message["content"]
    assert (message["role"], part["type"], body["stream"]) == (EMBEDDED, "prompt_embeds", True)
    same = json.loads(rewritten(soft, COMPLETIONS, model="moft:1,0", prompt="Day 3").body)["prompt_embeds"][0]
    assert_close(tensor_of(part["data"]), tensor_of(same))


def test_gates_are_an_adapter_of_rounded_weights(gated):
    new = rewritten(gated, COMPLETIONS, model="moft:0.2,0.8", prompt="a")
    assert new.adapter == "moft:brief=0.203125,calm=0.796875"
    assert json.loads(new.body) == {"model": new.adapter, "prompt": "a", "stop_token_ids": [1]}
    chosen = rewritten(gated, CHAT, model="moft", choice="gentle", messages=[{"role": "user", "content": "a"}])
    assert (chosen.adapter, chosen.tradeoff.weights) == ("moft:gentle", (0.123, 0.877))
    assert json.loads(chosen.body)["add_special_tokens"] is True


def test_without_lora_the_base_model_gets_the_embeddings(exported):
    requests = open_served(exported(lora=None)).requests
    assert json.loads(rewritten(requests, COMPLETIONS, model="moft:1,0", prompt="a").body)["model"] == "owner/base"


def test_a_request_for_the_base_model_goes_as_it_came(soft):
    new = rewritten(soft, COMPLETIONS, model="owner/base", prompt="a")
    assert (new.body, new.tradeoff, new.adapter) == (None, None, None)


def test_beside_adapters_the_base_model_is_one_too(gated):
    new = rewritten(gated, COMPLETIONS, model="owner/base", prompt="a")
    assert (json.loads(new.body), new.tradeoff) == ({"model": "owner/base:base", "prompt": "a"}, None)
    assert new.adapter == "owner/base:base"


def test_a_chat_with_the_base_model_begins_as_its_tokenizer_does(soft):
    new = rewritten(soft, CHAT, model="owner/base", messages=[USER])
    assert json.loads(new.body) == {"model": "owner/base", "messages": [USER], "add_special_tokens": True}


USER = {"role": "user", "content": "a"}


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        (COMPLETIONS, {"prompt": None}, "prompt: must be a text, a list of texts, or tokens of the model."),
        (COMPLETIONS, {"prompt": []}, "prompt: must be a text, a list of texts, or tokens of the model."),
        (COMPLETIONS, {"prompt": [300]}, "prompt: must be a text, a list of texts, or tokens of the model."),
        (COMPLETIONS, {"prompt": ["a"] * 65}, "prompt: 65 prompts in one request, of at most 64."),
        (COMPLETIONS, {"prompt": [[1], []]}, "prompt: must be a text, a list of texts, or tokens of the model."),
        (COMPLETIONS, {"prompt": "a", "prompt_embeds": "x"}, "prompt_embeds: embeddings are not accepted"),
        (
            COMPLETIONS,
            {"prompt": "a", "echo": True},
            "echo: is not available for this policy, since soft tokens precede its prompts.",
        ),
        (COMPLETIONS, {"prompt": "a", "prompt_logprobs": 0}, "prompt_logprobs: is not available for this policy"),
        (COMPLETIONS, {"prompt": "a", "truncate_prompt_tokens": 3}, "truncate_prompt_tokens: is not available for this policy"),
        (COMPLETIONS, {"prompt": "a", "stop_token_ids": 3}, "stop_token_ids: must be a list of tokens."),
        (COMPLETIONS, {"prompt": "day " * 10}, "prompt: "),
        (CHAT, {}, "messages: must be a list with at least one message."),
        (CHAT, {"messages": ["a"]}, "messages: each must be an object with a role"),
        (CHAT, {"messages": [{"role": EMBEDDED, "content": "a"}]}, "messages: each must be an object with a role"),
        (
            CHAT,
            {"messages": [{"role": "user", "content": [{"type": "prompt_embeds", "data": "x"}]}]},
            "messages: content must be text",
        ),
        (CHAT, {"messages": [{"role": "user", "content": [{"prompt_embeds": "x"}]}]}, "messages: content must be text"),
        (CHAT, {"messages": [{"role": "user", "content": 3}]}, "messages: content must be text"),
        (CHAT, {"messages": [{"role": "user", "content": "a</s>b"}]}, "messages: '</s>' is a control token"),
        (CHAT, {"messages": [USER, USER]}, "messages: this policy was trained on single prompts; give one message, not 2."),
        (CHAT, {"messages": [USER], "add_generation_prompt": False}, "add_generation_prompt: must be true for this policy."),
    ],
)
def test_what_is_refused_has_one_sentence(path, body, told, soft):
    with pytest.raises(RequestError) as caught:
        rewritten(soft, path, model="moft:1,0", longest=12, **body)
    assert str(caught.value).startswith(told)
    assert str(caught.value).endswith(".")
    assert caught.value.status == 400


def test_a_prompt_that_fills_the_context_is_refused(soft):
    tokens = soft._prompts.of_completion("Day 3")[0]
    rewritten(soft, COMPLETIONS, model="moft:1,0", prompt=tokens, longest=len(tokens) + 4)
    with pytest.raises(RequestError) as caught:
        rewritten(soft, COMPLETIONS, model="moft:1,0", prompt=tokens, longest=len(tokens) + 3)
    told = f"prompt: {len(tokens)} tokens, after 3 soft tokens, leave no room for an answer in the context of {len(tokens) + 3}."
    assert str(caught.value) == told
    assert caught.value.code == "context_length_exceeded"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"{", "the body is not JSON ("),
        (b"[1]", "the body must be a JSON object."),
        (b'{"weights": [NaN, 1]}', "the body is not JSON (NaN is not a number in JSON)."),
        (b"\xff", "the body is not JSON ("),
        (b"[" * 100_000, "the body is not JSON (nested too deeply)."),
        (rb'{"model": "moft:1,0", "prompt": "a\ud800"}', "the body is not JSON ('utf-8' codec can't encode character"),
    ],
)
def test_a_body_that_is_no_json_is_refused(content, told, soft):
    with pytest.raises(RequestError) as caught:
        soft.rewritten(COMPLETIONS, content)
    assert str(caught.value).startswith(told)


def test_the_place_of_embeddings_is_no_text_for_the_base_model(soft):
    with pytest.raises(RequestError, match="'<prompt_embeds>', which stands for something else on this server"):
        rewritten(soft, COMPLETIONS, model="owner/base", prompt="a <prompt_embeds>")
