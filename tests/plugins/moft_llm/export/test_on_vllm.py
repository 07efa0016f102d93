"""Exports served by vLLM give moft's greedy tokens; skipped unless MOFT_VLLM_PYTHON names an interpreter with vLLM."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from tempfile import gettempdir

import pytest
import torch

import moft
from benchmarks.support.vllm_server import PYTHON, ask, ask_all, vllm_server
from moft.cli.app import main
from moft_llm.generation.decoding import Decoding
from moft_llm.generation.generate import generate
from tests.conftest import TEMPLATE as CHAT_TEMPLATE

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PYTHON not in os.environ, reason=f"{PYTHON} names no interpreter with vLLM; CONTRIBUTING.md says more"),
]

COMPLETIONS, CHAT = "/v1/completions", "/v1/chat/completions"
COUNT, STEPS, SLOTS, KEPT = 64, 24, 6, 8
METHODS = {
    "hpt": "{name: cos-dpo, conditioner: hpt}",
    "hyper-lora": "{name: cos-dpo, conditioner: hyper-lora}",
    "both": "{name: cos-dpo, conditioner: [hpt, hyper-lora]}",
}
TEMPLATES = {"hpt": "none", "hyper-lora": "'Story: {prompt} Go on:'", "both": "chat"}
ALPHAS = {"hpt": 0.25, "hyper-lora": 4, "both": 0.25}
"""Of LoRA: so little that training leaves a model that writes text, and so much that it depends on the weights."""
STARTS = ["Once upon a time", "The little dog", "Lily saw a big", "One day, Tom"]
PROMPTS = [f"{STARTS[number % 4]} {'and then ' * (number // 16)}".strip() for number in range(COUNT)]
WEIGHTS = [[number / 64, 1 - number / 64] for number in range(COUNT)]


@pytest.fixture(scope="module", params=METHODS)
def served(request, tuned, stories, tmp_path_factory):
    """The kind of policy, its run, and the address of its server."""
    lora, place = f"{{rank: 4, alpha: {ALPHAS[request.param]}}}", tmp_path_factory.mktemp("vllm")
    model = shutil.copytree(stories("stories15m"), place / "stories15m")
    words = json.loads((model / "tokenizer_config.json").read_text())
    (model / "tokenizer_config.json").write_text(json.dumps({**words, "chat_template": CHAT_TEMPLATE}))
    run = tuned(METHODS[request.param], lora=lora, model=model, template=TEMPLATES[request.param])
    assert main(["export", str(run), str(place / "out"), "--for", "vllm"]) == 0
    options = ("--slots", str(SLOTS), "--kept", str(KEPT), "--max-model-len", "128", "--max-num-seqs", "32")
    with vllm_server(place / "out", place / "log", *options) as url:
        yield request.param, run, url


@pytest.fixture(scope="module")
def expected(served):
    """Greedy tokens of moft for every prompt at its weights, up to an end."""
    return moft_tokens(served[1], PROMPTS, WEIGHTS)


def moft_tokens(run, prompts, weights, dial=None):
    opened = moft.open_run(run, device="cpu")
    template = opened.task.prompt_template()
    with torch.no_grad():
        assignments = opened.policy.assignments(opened.tradeoffs([(row, dial, "here") for row in weights]))
    tokens = template.tokenize(template.render_all(prompts, prompts))
    return [_cut(row, template.tokenizer.eos_token_id) for row in generate(assignments, tokens, Decoding(STEPS, greedy=True))]


def as_read(run, prompts):
    """Prompts as the model reads them."""
    return [str(text) for text in moft.open_run(run, device="cpu").task.prompt_template().render_all(prompts, prompts)]


def _cut(tokens, end):
    """Tokens before the end of a text."""
    tokens = [int(token) for token in tokens]
    return tokens[: tokens.index(end)] if end in tokens else tokens


def asked(weights, **more):
    label = ",".join(f"{name}={weight}" for name, weight in zip(("brief", "calm"), weights, strict=True))
    return {"model": f"moft:{label}", "temperature": 0, "max_tokens": STEPS, "return_token_ids": True, **more}


def tokens_of(answers, end=2):
    return [_cut(answer["choices"][0]["token_ids"], end) for answer in answers]


def test_completions_have_the_tokens_of_moft_at_more_weightings_than_slots(served, expected):
    _, run, url = served
    texts = as_read(run, PROMPTS)
    bodies = [asked(weights, prompt=text) for text, weights in zip(texts, WEIGHTS, strict=True)]
    found = tokens_of(ask_all(url, COMPLETIONS, bodies, 32))
    assert [number for number in range(COUNT) if found[number] != expected[number]] == []
    assert len({tuple(row) for row in found}) > COUNT / 2


def test_chats_have_the_tokens_of_moft(served, expected):
    _, _, url = served
    rows = range(0, COUNT, 4)
    bodies = [asked(WEIGHTS[row], messages=[{"role": "user", "content": PROMPTS[row]}]) for row in rows]
    assert tokens_of(ask_all(url, CHAT, bodies, 16)) == [expected[row] for row in rows]


def test_one_prompt_at_two_weightings_in_turn_is_not_mixed_up_by_the_prefix_cache(served):
    _, run, url = served
    prompt = "Once upon a time, there was a little girl named Lily. " * 3
    weights = [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]]
    (text,) = as_read(run, [prompt])
    found = [tokens_of(ask_all(url, COMPLETIONS, [asked(row, prompt=text)], 1))[0] for row in weights]
    assert found == moft_tokens(run, [prompt] * 4, weights)


def test_the_base_model_is_itself_beside_full_slots(served):
    _, run, url = served
    base = {"model": Path(moft.open_run(run).task.source["model"]).name, "temperature": 0, "max_tokens": STEPS}
    bodies = []
    for row in range(12):
        bodies += [asked(WEIGHTS[row], prompt=PROMPTS[row]), {**base, "prompt": PROMPTS[row], "return_token_ids": True}]
    found = tokens_of(ask_all(url, COMPLETIONS, bodies, 24))[1::2]
    opened = moft.open_run(run, device="cpu")
    network, tokenizer = opened.policy.model.network, opened.task.prompt_template().tokenizer
    for row, tokens in enumerate(found):
        ids = tokenizer(PROMPTS[row], return_tensors="pt")["input_ids"]
        with torch.no_grad(), opened.policy.model.without_adapters():
            whole = network.generate(ids, max_new_tokens=STEPS, do_sample=False, pad_token_id=0)[0].tolist()
        assert tokens == _cut(whole[ids.shape[1] :], tokenizer.eos_token_id)


def test_streams_have_the_same_text(served):
    _, _, url = served
    body = asked([0.25, 0.75], prompt=PROMPTS[0])
    whole = json.loads(ask(url, COMPLETIONS, body)[2])["choices"][0]["text"]
    status, headers, content = ask(url, COMPLETIONS, {**body, "stream": True})
    lines = [line.removeprefix("data: ") for line in content.decode().splitlines() if line.startswith("data: ")]
    assert (status, headers["x-moft-weights"], lines[-1]) == (200, "brief=0.25,calm=0.75", "[DONE]")
    assert "".join(json.loads(line)["choices"][0]["text"] for line in lines[:-1]) == whole
    assert len(lines) > STEPS / 2


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (COMPLETIONS, {"model": "moft", "prompt": "a"}, 400),
        (COMPLETIONS, {"model": "moft:0.2,0.9", "prompt": "a"}, 400),
        (COMPLETIONS, {"model": "moft:1,0", "prompt": "a", "prompt_embeds": "AAAA"}, 400),
        (COMPLETIONS, {"model": "moft:1,0", "prompt": "a", "max_tokens": -1}, 400),
        (COMPLETIONS, {"model": "moft:1,0", "prompt": "a", "temperature": "x"}, 400),
        (COMPLETIONS, {"model": "moft:1,0", "prompt": "day " * 200}, 400),
        (COMPLETIONS, {"model": "moft:1,0"}, 400),
        (CHAT, {"model": "moft:1,0", "messages": []}, 400),
        (CHAT, {"model": "moft:1,0", "messages": [{"role": "user", "content": [{"type": "prompt_embeds", "data": "AA"}]}]}, 400),
        (COMPLETIONS, {"model": "other", "prompt": "a"}, 404),
        ("/v1/load_lora_adapter", {"lora_name": "x", "lora_path": "/tmp"}, 404),
        ("/tokenize", {"prompt": "a"}, 404),
    ],
)
def test_a_wrong_request_has_a_clean_answer(path, body, status, served):
    found, _, content = ask(served[2], path, body)
    assert found == status, content
    error = json.loads(content)["error"]
    assert error["message"]
    assert "Traceback" not in error["message"]


def test_few_adapters_are_left_behind(served):
    kind, _, url = served
    if kind == "hpt":
        return
    ask_all(url, COMPLETIONS, [asked(WEIGHTS[row], prompt="a") for row in range(COUNT)], 8)
    places = [Path("/dev/shm") if Path("/dev/shm").is_dir() else Path(gettempdir())]
    folders = max((list(place.iterdir()) for place in places[0].glob("moft-vllm-*")), key=len)
    assert len(folders) <= KEPT
