"""The end of a turn is what the chat template writes after the assistant's message."""

from __future__ import annotations

import pytest

from moft_llm.data.chat.chat_template import Template
from moft_llm.data.chat.turn_end import turn_end_of
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
    space = " " if template == "@mistral" else ""  # which this template writes before a message of the assistant
    assert [tokenizer.decode(part) for part in parts[1:]] == [f"{space}yes{end}", f"{space}no{end}"]


def test_without_a_chat_template_responses_end_in_eos(chatty):
    tokenizer = chatty("@chatml")
    for text in ("none", "USER: {prompt} ASSISTANT:"):
        assert Template(tokenizer, text).end == tokenizer.eos_token_id
    assert Template(tokenizer, "chat", version=1).end == tokenizer.eos_token_id


@pytest.mark.parametrize(
    ("assistant", "response"),
    [
        ("<think>\\n\\n</think>\\n\\n' + m.content + '<|im_end|>\\n", " Good day"),  # Qwen 3
        ("<|user|>final<|end|>' + m.content + '<|im_end|>", "Good\n"),  # channels, as gpt-oss has
        (" ' + m.content + '</s>", "Good day"),
        (" ' + (m.content | trim) + ' </s>", " Good day\n"),  # Llama 2
        ("' + (m.content | trim) + '<|end|>", "\nGood </s> day "),
    ],
)
def test_a_text_is_trained_as_the_template_writes_a_message(assistant, response, chatty):
    tokenizer = chatty(
        "{% for m in messages %}{% if m.role == 'user' %}{{ m.content + '<|assistant|>' }}{% else %}{{ '"
        + assistant
        + "' }}{% endif %}{% endfor %}"
    )
    template = Template(tokenizer, "chat")
    start = template.render("Hi", "a:1")
    (found,) = template.tokenize_responses(["Hi"], [start], [response], ["a:1"])
    whole = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": response}]
    written = tokenizer.apply_chat_template(whole, tokenize=False).rstrip()
    assert tokenizer.decode([*template.tokenize([start])[0], *found.tokens, found.end]) == written
    old = Template(tokenizer, "chat", version=1).tokenize_responses(["Hi"], [start], [response], ["a:1"])[0]
    assert tokenizer.decode(old.tokens) == response


@pytest.mark.parametrize("response", ["<think>\nhm\n</think>\n\nYes", "hm\n</think>\n\nYes", "\n<think>\nhm\n</think>\n\nYes"])
def test_what_the_prompt_has_opened_is_not_repeated_and_no_reasoning_is_lost(response, chatty):
    tokenizer = chatty(
        "{% for m in messages %}{{ '<|' + m.role + '|>' + m.content.split('</think>')[-1] }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|assistant|><think>\\n' }}{% else %}{{ '<|end|>' }}{% endif %}"
    )
    template = Template(tokenizer, "chat")
    (found,) = template.tokenize_responses(["Hi"], [template.render("Hi", "a:1")], [response], ["a:1"])
    assert tokenizer.decode(found.tokens) == "hm\n</think>\n\nYes"


def test_the_space_before_a_message_is_no_part_of_a_response(chatty):
    assert Template(chatty("@mistral"), "chat").leading_space == " "
    assert Template(chatty("@mistral"), "chat", version=1).leading_space == ""
    assert Template(chatty("@chatml"), "chat").leading_space == ""


def test_a_template_that_takes_no_assistant_says_so(chatty):
    tokenizer = chatty("{{ messages[0].content }}")
    found = turn_end_of(tokenizer)
    assert found.token is None
    assert found.fault.reason == "it does not write the messages of the assistant"
    assert Template(tokenizer, "chat").end == tokenizer.eos_token_id
