"""The end of a turn is what the chat template writes after the assistant's message."""

from __future__ import annotations

import re

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


OPENED = (  # as DeepSeek-R1 writes it
    "{% for m in messages %}{{ '<|' + m.role + '|>' + m.content.split('</think>')[-1] }}"
    "{{ '<|end|>' if m.role == 'assistant' }}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|><think>\\n' }}{% endif %}"
)
THINKING = (  # as Qwen 3 does, with its template in short
    "{% for m in messages %}{% if m.role == 'user' %}{{ '<|user|>' + m.content }}{% else %}"
    "{% set parts = m.content.split('</think>') %}"
    "{% set thoughts = parts[0].split('<think>')[-1].strip('\\n') if parts | length > 1 else '' %}"
    "{{ '<|assistant|><think>\\n' + thoughts + '\\n</think>\\n\\n' + parts[-1].lstrip('\\n') + '<|end|>' }}"
    "{% endif %}{% endfor %}"
)
QWEN3 = THINKING + "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
QWEN3_THINKING = THINKING + "{% if add_generation_prompt %}{{ '<|assistant|><think>\\n' }}{% endif %}"
NEMOTRON = OPENED.replace("'|>' + m", "'|>' + ('<think></think>' if m.role == 'assistant' else '') + m")


@pytest.mark.parametrize(
    ("template", "response", "trained"),
    [
        (QWEN3, "<think>\nlet me", "<think>\nlet me"),
        (QWEN3, "\n<think>\nlet me", "<think>\nlet me"),
        (QWEN3, "<think>\nhm\n</think>\n\nYes", "<think>\nhm\n</think>\n\nYes"),
        (QWEN3, "<think>hm</think>Yes", "<think>\nhm\n</think>\n\nYes"),
        (QWEN3, "<think>\nhm\n</think>\n\nYes </think> so", "<think>\nhm\n</think>\n\nYes </think> so"),
        (QWEN3, "Yes", "<think>\n\n</think>\n\nYes"),
        (QWEN3, "a</think>b</think>c", "<think>\n\n</think>\n\na</think>b</think>c"),
        (QWEN3_THINKING, "<think>\nlet me", "let me"),
        (QWEN3_THINKING, "<think>\nhm\n</think>\n\nYes", "hm\n</think>\n\nYes"),
        (QWEN3_THINKING, "hm\n</think>\n\nYes", "hm\n</think>\n\nYes"),
        (QWEN3_THINKING, "Yes", "\n</think>\n\nYes"),
        (OPENED, "<think>\nlet me", "let me"),
        (OPENED, "<think>let me", "let me"),
        (OPENED, "<think>\nhm\n</think>\n\nYes", "hm\n</think>\n\nYes"),
        (OPENED, "hm\n</think>\n\nYes", "hm\n</think>\n\nYes"),
        (OPENED, "Yes </s>", "\n</think>\n\nYes </s>"),
        (OPENED.replace("m.content.split", "(m.content | trim).split"), " Yes ", "\n</think>\n\nYes"),
        (NEMOTRON, "<think>\nlet me", "let me"),
        (NEMOTRON, "Yes", "</think>Yes"),
        ("@chatml", "<think>\nlet me", "<think>\nlet me"),
    ],
)
def test_thoughts_stay_where_a_model_writes_them(template, response, trained, chatty):
    tokenizer = chatty(template)
    made = Template(tokenizer, "chat")
    (found,) = made.tokenize_responses(["Hi"], [made.render("Hi", "a:1")], [response], ["a:1"])
    assert tokenizer.decode(found.tokens) == trained
    is_opened = template not in (QWEN3, "@chatml")
    assert found.is_closed == (is_opened and "Yes" in response and "hm" not in response)
    assert not found.is_moved


@pytest.mark.parametrize(
    ("template", "note"),
    [
        (
            OPENED,
            r"train: 1 of 2 responses do not end the block that the prompt opens \(<think>\), so it is ended before them\. Begin",
        ),
        (
            QWEN3,
            r"train: 1 of 2 responses have </think> but do not begin with <think>; the chat template makes reasoning of what is",
        ),
    ],
)
def test_answers_in_a_block_that_was_not_theirs_are_counted(template, note, chatty):
    responses = ("Yes", "I like </think> tags")
    data = tokenize(
        [Example("Hi", responses, {}, "a:1")],
        chatty(template),
        template="chat",
        max_length=400,
        max_response=None,
        add_eos=True,
        objectives={},
    )
    (found,) = data.notes("train")
    assert re.match(note, found)


@pytest.mark.parametrize(
    ("assistant", "between"),
    [
        (" ' + m.content + '</s>", " "),
        ("<think>\\n\\n</think>\\n\\n' + m.content + '</s>", "<think>\n\n</think>\n\n"),
        ("<|user|>final<|end|>' + m.content + '</s>", "<|user|>final<|end|>"),
    ],
)
def test_the_same_goes_before_an_answer_where_the_template_writes_its_prompt_differently(assistant, between, chatty):
    tokenizer = chatty(  # as Mistral: the system message goes into the last message, if that is the user's
        "{% for m in messages if m.role != 'system' %}{% if m.role == 'user' %}"
        "{{ (messages[0].content if loop.last and messages[0].role == 'system' else '') + m.content + '<|assistant|>' }}"
        "{% else %}{{ '" + assistant + "' }}{% endif %}{% endfor %}"
    )
    template = Template(tokenizer, "chat")
    system = (Message("system", "Be kind."), Message("user", "Hi"))
    for prompt in ("Hi", system):
        for response in ("Yes", "Yes </s>  yes"):
            start = template.render(prompt, "a:1")
            (found,) = template.tokenize_responses([prompt], [start], [response], ["a:1"])
            assert tokenizer.decode(found.tokens) == between + response
            alone = template.tokenize_responses([prompt], [start], ["Yes"], ["a:1"])[0]
            assert found.tokens[: len(alone.tokens)] == alone.tokens
