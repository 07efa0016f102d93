"""The end of a turn is what the chat template writes after the assistant's message."""

from __future__ import annotations

import pytest

from moft_llm.data.chat.turn_end import turn_end_of
from moft_llm.data.chat_template import Template
from moft_llm.data.preference_example import Example, Message
from moft_llm.data.tokenization import tokenize

ENDS = {
    "chatml": ("@chatml", "<|im_end|>"),
    "gemma": ("@gemma", "<end_of_turn>"),
    "phi": ("@phi", "<|end|>"),
    "llama 3": ("@llama3", "<|eot_id|>"),
    "mistral": ("@mistral", "</s>"),
    "no end": ("{% for m in messages %}{{ m.content + '\n' }}{% endfor %}", "</s>"),
    "a system message is asked for": (
        "{% if messages[0].role != 'system' %}{{ raise_exception('no') }}{% endif %}@chatml",
        "<|im_end|>",
    ),
}


@pytest.mark.parametrize(("template", "end"), ENDS.values(), ids=ENDS)
def test_every_response_ends_in_the_token_that_ends_a_turn(template, end, chatty):
    tokenizer = chatty(template)
    assert tokenizer.decode([Template(tokenizer, "chat").end]) == end
    system = (Message("system", "Be kind."),) if "raise_exception" in template else ()
    example = Example((*system, Message("user", "Hi")), ("yes", "no"), {}, "a:1")
    data = tokenize([example], tokenizer, template="chat", max_length=400, max_response=None, add_eos=True, objectives={})
    parts = data.tokens.split([*data.prompt_lengths.tolist(), *data.response_lengths.tolist()])
    assert [tokenizer.decode(part) for part in parts[1:]] == [f"yes{end}", f"no{end}"]


def test_without_a_chat_template_responses_end_in_eos(chatty):
    tokenizer = chatty("@chatml")
    for text in ("none", "USER: {prompt} ASSISTANT:"):
        assert Template(tokenizer, text).end == tokenizer.eos_token_id
    assert Template(tokenizer, "chat", version=1).end == tokenizer.eos_token_id


def test_a_template_that_takes_no_assistant_says_so(chatty):
    tokenizer = chatty("{{ messages[0].content }}")
    found = turn_end_of(tokenizer)
    assert found.token is None
    assert found.fault.reason == "it does not write the messages of the assistant"
    assert Template(tokenizer, "chat").end == tokenizer.eos_token_id
