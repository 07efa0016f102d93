"""Values for variables of a chat template change what it writes, also where the tokenizer is saved."""

from __future__ import annotations

import pytest
from transformers import AutoTokenizer

from moft import ConfigError
from moft_llm.data.chat.template_options import with_options

TEMPLATE = (
    "{% if date is defined %}{{ date }}|{% endif %}{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n"
    "{% endfor %}{% if add_generation_prompt %}assistant:{% if enable_thinking is defined and enable_thinking is false %} <no>"
    "{% endif %}{% endif %}"
)
CHAT = [{"role": "user", "content": "hi"}]


@pytest.fixture
def tokenizer(tiny_models):
    found = AutoTokenizer.from_pretrained(tiny_models())
    found.chat_template = TEMPLATE
    return found


def written(tokenizer, **more):
    return tokenizer.apply_chat_template(CHAT, tokenize=False, add_generation_prompt=True, **more)


def test_a_value_is_what_the_template_reads_unless_another_is_passed(tokenizer, tmp_path):
    changed = with_options(tokenizer, {"enable_thinking": False, "date": 'a "quoted" dáte'})
    assert written(changed) == 'a "quoted" dáte|' + written(tokenizer) + " <no>"
    assert written(changed, enable_thinking=True, date="d") == "d|" + written(tokenizer)
    assert tokenizer.chat_template == TEMPLATE
    changed.save_pretrained(tmp_path)
    assert written(AutoTokenizer.from_pretrained(tmp_path)) == written(changed)


def test_white_space_at_the_start_of_a_template_is_kept(tokenizer):
    for start in ("\n", "  ", " {% if true %}\n x{% endif %}"):
        tokenizer.chat_template = start + TEMPLATE
        assert written(with_options(tokenizer, {"enable_thinking": True})) == written(tokenizer)


def test_several_templates_are_all_changed(tokenizer):
    tokenizer.chat_template = {"default": TEMPLATE, "tool_use": "none"}
    assert "<no>" in written(with_options(tokenizer, {"enable_thinking": False}))


def test_what_the_template_does_not_read_is_refused(tokenizer):
    with pytest.raises(ConfigError, match=r"does not read 'enable_thought'\. It reads date, enable_thinking\.$"):
        with_options(tokenizer, {"enable_thought": False})
    for name in ("messages", "a b"):
        with pytest.raises(ConfigError, match=rf"\[task\.chat_template_kwargs\] '{name}' is no variable that can be set\."):
            with_options(tokenizer, {name: "x"})
    assert with_options(tokenizer, {}) is tokenizer
