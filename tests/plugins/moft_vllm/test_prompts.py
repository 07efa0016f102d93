"""Prompts have the tokens that moft's templates give them."""

from __future__ import annotations

import pytest
from transformers import AutoTokenizer

from moft_llm.data.chat.chat_template import Template
from moft_llm.data.preference_example import prompt_of
from moft_llm.export.vllm_folder import _template
from moft_vllm.errors import RequestError
from moft_vllm.prompts import Prompts

TEXTS = ["Day 3: ", "the wind", "", " sun\n"]


@pytest.fixture(params=["small", "stories15m"])
def tokenizer(request, tiny_models, pytestconfig):
    if request.param == "small":
        return AutoTokenizer.from_pretrained(tiny_models())
    import os
    from pathlib import Path

    data = Path(os.environ.get("MOFT_DATA", pytestconfig.rootpath.parent / "shared" / "data"))
    if not (data / "models" / "stories15m").is_dir():
        pytest.skip("no tokenizer of stories15m")
    return AutoTokenizer.from_pretrained(data / "models" / "stories15m")


@pytest.mark.parametrize("text", ["none", "USER: {prompt} ASSISTANT: "])
def test_single_prompts_have_the_tokens_of_moft(text, tokenizer):
    template = Template(tokenizer, text)
    prompts = Prompts(_template(template), tokenizer, None)
    for prompt in TEXTS:
        expected = template.tokenize([template.render(prompt, "here")])[0]
        assert prompts.of_chat({"messages": [{"role": "user", "content": prompt}]}) == expected
        if text == "none":
            assert prompts.of_completion(prompt) == [expected]


def test_chats_have_the_tokens_of_moft(tiny_models):
    tokenizer = AutoTokenizer.from_pretrained(tiny_models())
    template = Template(tokenizer, "chat")
    prompts = Prompts(_template(template), tokenizer, None)
    messages = [
        {"role": "system", "content": "short"},
        {"role": "user", "content": "Day 3"},
        {"role": "assistant", "content": "sun"},
    ]
    messages += [{"role": "user", "content": "and now"}]
    assert prompts.of_chat({"messages": messages}) == template.tokenize([template.render(prompt_of(messages, "here"), "here")])[0]


def test_a_template_that_takes_no_such_messages_is_told_in_one_line(tiny_models):
    tokenizer = AutoTokenizer.from_pretrained(tiny_models())
    tokenizer.chat_template = "{{ raise_exception('one\n line') }}"
    prompts = Prompts({"kind": "chat", "adds_begin": False, "control_tokens": []}, tokenizer, None)
    with pytest.raises(RequestError, match=r"^messages: the chat template does not take them \(one line\)\.$"):
        prompts.of_chat({"messages": [{"role": "user", "content": "a"}]})
    with pytest.raises(RequestError, match=r"^chat_template_kwargs: must be an object\.$"):
        prompts.of_chat({"messages": [{"role": "user", "content": "a"}], "chat_template_kwargs": [1]})
