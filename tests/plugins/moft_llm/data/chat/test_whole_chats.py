"""Every key of a message and all tools are written by the chat template, or refused by row."""

from __future__ import annotations

import pytest

from moft import DataError
from moft_llm.data.chat.chat_template import Template
from moft_llm.data.chat.messages import Message, prompt_of, response_of
from moft_llm.data.preference_example import Example
from moft_llm.data.tokenization import tokenize

CALL = [{"type": "function", "function": {"name": "weather", "arguments": {"town": "Oslo"}}}]
TOOLS = [{"type": "function", "function": {"name": "weather"}}]
WITH_TOOLS = "{% if tools %}{{ '<tools>' + (tools | tojson) + '</tools>' }}{% endif %}@chatml"
TRAJECTORY = [
    {"role": "user", "content": "Weather?"},
    {"role": "assistant", "content": None, "tool_calls": CALL},
    {"role": "tool", "content": "rain", "tool_call_id": "1"},
]


def test_calls_and_tools_are_written(chatty):
    text = Template(chatty(WITH_TOOLS), "chat").render(prompt_of(TRAJECTORY, "a:1", TOOLS), "a:1")
    assert '<tools>[{"type": "function", "function": {"name": "weather"}}]</tools>' in text
    assert '<|im_start|>assistant\n<call>{"type": "function", "function": {"name": "weather", "arguments"' in text
    assert text.endswith("<|im_start|>tool\nrain<|im_end|>\n<|im_start|>assistant\n")


@pytest.mark.parametrize(
    ("template", "value", "tools", "part"),
    [
        ("@phi", [{"role": "user", "content": "a", "name": "Ann"}], None, r"'name' of message 1 \(role user\)"),
        (
            "@phi",
            [*TRAJECTORY[:1], {**TRAJECTORY[1], "content": "b"}, TRAJECTORY[2]],
            None,
            r"'tool_calls' of message 2 \(role assistant\)",
        ),
        ("@chatml", [{"role": "user", "content": "a"}], TOOLS, "the tools"),
        (
            "{% for m in messages if m.role != 'system' %}{{ m.content }}{% endfor %}",
            [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "a"}],
            None,
            r"'content' of message 1 \(role system\)",
        ),
    ],
)
def test_what_a_template_leaves_out_is_refused_by_row_and_key(template, value, tools, part, chatty):
    with pytest.raises(DataError, match=rf"^a:1: the tokenizer's chat template leaves out {part}\. Remove it from the data, or"):
        Template(chatty(template), "chat").render(prompt_of(value, "a:1", tools), "a:1")


@pytest.mark.parametrize("role", ["tool", "ipython", "function"])
def test_results_of_tools_may_have_names_that_are_not_written(role, chatty):
    chat = [{"role": "user", "content": "a"}, {"role": role, "name": "get", "tool_call_id": "1", "content": "22"}]
    assert "22" in Template(chatty("@chatml"), "chat").render(prompt_of(chat, "a:1"), "a:1")


def test_an_unknown_role_is_refused_unless_the_template_names_it(chatty):
    prompt = prompt_of([{"role": "human", "content": "a"}], "a:1")
    with pytest.raises(
        DataError, match=r"^a:1: message 1 of the prompt has the role 'human', which the chat template does not name"
    ):
        Template(chatty("@chatml"), "chat").render(prompt, "a:1")
    assert "a" in Template(chatty('{% if messages[0].role == "human" %}{% endif %}@chatml'), "chat").render(prompt, "a:1")
    assert "a" in Template(chatty("@chatml"), "chat", version=1).render(prompt, "a:1")


LAST_REASONING = (
    "{% for m in messages %}{{ m.role + ': ' }}{% if m.reasoning and loop.last %}{{ m.reasoning + '; ' }}{% endif %}"
    "{{ m.content + '|' }}{% endfor %}"
)


def test_reasoning_may_be_written_for_the_last_turn_only(chatty):
    chat = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b", "reasoning": "hm"},
        {"role": "user", "content": "c"},
    ]
    assert Template(chatty(LAST_REASONING), "chat").render(prompt_of(chat, "a:1"), "a:1") == "user: a|assistant: b|user: c|"
    with pytest.raises(DataError, match=r"leaves out 'reasoning' of message 1 \(role user\)"):
        Template(chatty(LAST_REASONING), "chat").render(prompt_of([{**chat[0], "reasoning": "x"}, *chat[1:]], "a:1"), "a:1")


IN_PARTS = "{% for m in messages %}{% if m.content is string %}{{ m.content }}{% else %}@{% endif %}|{% endfor %}"


@pytest.mark.parametrize(
    ("template", "text"),
    [
        (IN_PARTS.replace("@", "{% for part in m.content %}{{ part.text | trim + '/' }}{% endfor %}"), "One/Two/|"),
        (IN_PARTS.replace("@", ""), "One\nTwo|"),
        ("{% for m in messages %}{{ m.content + '|' }}{% endfor %}", "One\nTwo|"),
        ("{% for m in messages %}{{ m.content | trim + '|' }}{% endfor %}", "One\nTwo|"),
        ("{% for m in messages %}{{ m.content | tojson + '|' }}{% endfor %}", '"One\\nTwo"|'),
    ],
)
def test_text_in_parts_is_written_in_parts_or_as_one_text(template, text, chatty):
    parts = [{"type": "text", "text": "One"}, {"type": "text", "text": "Two"}]
    made = Template(chatty(template), "chat")
    prompt = prompt_of([{"role": "user", "content": parts}], "a:1")
    assert made.render(prompt, "a:1") == text
    (found,) = made.tokenize_responses([prompt], [text], ["Yes"], ["a:1"])
    assert made.tokenizer.decode(found.tokens).strip('"') == "Yes"
    assert Template(made.tokenizer, "none").render(prompt, "a:1") == "One\nTwo"


def test_a_role_that_a_template_rejects_is_one_line(chatty):
    with pytest.raises(
        DataError, match=r"^a:1: the tokenizer's chat template rejects the prompt \(System role not supported\)\.$"
    ):
        Template(chatty("@gemma"), "chat").render((Message("system", "b"), Message("user", "a")), "a:1")


@pytest.mark.parametrize(
    ("value", "tools", "keys"), [([{"role": "user", "content": "a", "name": "b"}], None, "name"), ("a", TOOLS, "tools")]
)
def test_other_templates_have_no_place_for_keys_and_tools(value, tools, keys, tokenizer):
    with pytest.raises(DataError, match=rf"^a:1: the template 'none' has no place for {keys} of the prompt\. Use chat\.$"):
        Template(tokenizer, "none").render(prompt_of(value, "a:1", tools), "a:1")


@pytest.mark.parametrize(("template", "end"), [("@chatml", "<|im_end|>"), ("@mistral", "</s>")])
def test_a_call_of_a_tool_can_be_a_response(template, end, chatty):
    tokenizer = chatty(template)
    responses = (response_of([{"role": "assistant", "content": None, "tool_calls": CALL}], "response 1", "a:1"), "No.")
    data = tokenize(
        [Example("Weather?", responses, {}, "a:1")],
        tokenizer,
        template="chat",
        max_length=400,
        max_response=None,
        add_eos=True,
        objectives={},
    )
    prompt, first, second = data.tokens.split([*data.prompt_lengths.tolist(), *data.response_lengths.tolist()])
    whole = [{"role": "user", "content": "Weather?"}, responses[0].fields()]
    rendered = tokenizer.apply_chat_template(whole, tokenize=False).rstrip()
    assert tokenizer.decode([*prompt, *first]) == rendered
    assert rendered.endswith(end)
    assert tokenizer.decode(second).removeprefix(" " if template == "@mistral" else "") == f"No.{end}"


def test_a_call_with_the_name_of_a_control_token_is_text(chatty):
    tokenizer = chatty("@chatml")
    call = [{"function": {"name": "say", "arguments": {"text": "<|im_end|>"}}}]
    message = response_of({"role": "assistant", "content": "", "tool_calls": call}, "response 1", "a:1")
    template = Template(tokenizer, "chat")
    (found,) = template.tokenize_responses(["a"], [template.render("a", "a:1")], [message], ["a:1"])
    assert tokenizer.decode(found.tokens) == '<call>{"function": {"name": "say", "arguments": {"text": "<|im_end|>"}}}</call>'
    assert (found.end in found.tokens, found.is_split) == (False, True)


def test_a_message_that_is_no_continuation_is_refused(chatty):
    message = response_of({"role": "assistant", "content": "", "tool_calls": CALL}, "response 1", "a:1")
    tokenizer = chatty("{{ messages | length }}@chatml")
    template = Template(tokenizer, "chat")
    with pytest.raises(DataError, match=r"^a:1: the chat template writes this prompt differently when a message with more than"):
        template.tokenize_responses(["a"], [template.render("a", "a:1")], [message], ["a:1"])
    with pytest.raises(
        DataError, match=r"^a:1: only a chat template can write tool_calls of a response\. Set task\.template: chat"
    ):
        Template(tokenizer, "none").tokenize_responses(["a"], ["a"], [message], ["a:1"])


def test_a_run_of_an_older_version_reads_roles_and_contents_only(chatty):
    template = Template(chatty(WITH_TOOLS), "chat", version=1)
    prompt = prompt_of([{"role": "user", "content": "a</s>", "name": "b"}], "a:1", TOOLS)
    assert template.render(prompt, "a:1") == "<|im_start|>user\na</s><|im_end|>\n<|im_start|>assistant\n"
    assert type(template.render(prompt, "a:1")) is str
