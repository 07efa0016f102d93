"""Prompts as the model reads them, and responses as they go on after them."""

from __future__ import annotations

import pytest

from moft import ConfigError, DataError
from moft.engine.data import bounded_rendering
from moft_llm.data.chat.chat_template import CONTEXT, Template, tokenize_responses, tokenize_texts
from moft_llm.data.preference_example import Message

HERE = "data.jsonl:7"
CHAT = (Message("user", "one"), Message("assistant", "two"), Message("user", "three"))


@pytest.fixture
def letters(tiny_models):
    """A tokenizer of single bytes with a chat template, which puts no BOS."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_models("llama"))


@pytest.fixture
def begun(letters):
    """The same, which puts a BOS before every text."""
    from tokenizers.processors import TemplateProcessing

    letters.backend_tokenizer.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", letters.bos_token_id)])
    return letters


@pytest.fixture
def merged():
    """A tokenizer of letters that joins `a` and `b`, and a line break and an `x`."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    parts = ["a", "b", "c", "x", "\n", "ab", "\nx"]
    vocabulary = {part: number for number, part in enumerate(parts)}
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.BPE(vocab=vocabulary, merges=[("a", "b"), ("\n", "x")])), eos_token="c"
    )


def test_none_is_the_prompt_itself(letters):
    template = Template(letters, "none")
    assert template.render("Once\n", HERE) == "Once\n"
    assert template.render((Message("user", "Once"),), HERE) == "Once"
    assert template.leading_space == ""


def test_a_format_keeps_what_stands_around_the_prompt(letters):
    template = Template(letters, "USER: {prompt} {x} ASSISTANT:")
    assert template.render("a {prompt} b", HERE) == "USER: a {prompt} b {x} ASSISTANT:"
    assert template.leading_space == ""


def test_spaces_at_the_end_of_a_format_go_before_the_response(letters):
    template = Template(letters, "USER: {prompt} ASSISTANT:  ")
    assert template.render("Hello ", HERE) == "USER: Hello  ASSISTANT:"
    assert template.leading_space == "  "


def test_a_chat_ends_where_the_answer_begins(letters):
    template = Template(letters, "chat")
    assert template.render("Hello", HERE) == "<user>Hello</s><assistant>"
    assert template.render(CHAT, HERE) == "<user>one</s><assistant>two</s><user>three</s><assistant>"


def test_a_template_that_does_not_fit_is_one_line(letters):
    for text in ("USER:", "{prompt} {prompt}"):
        with pytest.raises(
            ConfigError, match=r"^\[task\.template\] '.*' must be chat, none, or a format that has \{prompt\} once\.$"
        ):
            Template(letters, text)
    for text in ("none", "USER: {prompt}"):
        with pytest.raises(
            DataError, match=r"^data\.jsonl:7: the prompt has 3 messages, but the template '.*' takes one\. Use chat"
        ):
            Template(letters, text).render(CHAT, HERE)
    letters.chat_template = "{{ raise_exception('roles must alternate') }}"
    with pytest.raises(
        DataError, match=r"^data\.jsonl:7: the tokenizer's chat template rejects the prompt \(roles must alternate\)"
    ):
        Template(letters, "chat").render("Hello", HERE)
    letters.chat_template = None
    with pytest.raises(
        ConfigError, match=r"^\[task\.template\] chat: the tokenizer has no chat template. Use none, or a format such as"
    ):
        Template(letters, "chat")


def test_a_tokenizer_that_puts_no_bos_gets_none(letters):
    assert letters.bos_token_id is not None
    assert Template(letters, "none").tokenize(["Once"]) == tokenize_texts(letters, ["Once"])


def test_a_bos_stands_first_once_where_the_tokenizer_puts_one(begun):
    template = Template(begun, "none")
    first = [begun.bos_token_id, *tokenize_texts(begun, ["Once"])[0]]
    assert template.tokenize(["Once", "<s>Once", ""]) == [first, first, [begun.bos_token_id]]
    assert Template(begun, "chat").tokenize(["Once"]) == tokenize_texts(begun, ["Once"])


def test_a_response_goes_on_after_its_prompt(letters):
    assert [letters.decode(ids) for ids in tokenize_responses(letters, ["One", "One", "x" * 200], [" two", "two", "y"])] == [
        " two",
        "two",
        "y",
    ]


def test_a_token_of_both_prompt_and_response_is_not_split(merged):
    ids = merged.get_vocab()
    found = tokenize_responses(merged, ["ca", "ca", "cb", "ca"], ["bab", "c", "bab", "ba"])
    assert found == [[ids["b"], ids["ab"]], [ids["c"]], [ids["b"], ids["ab"]], [ids["b"], ids["a"]]]


def test_a_response_that_joins_a_line_break_too_is_tokenized_by_itself(merged):
    ids = merged.get_vocab()
    assert tokenize_responses(merged, ["c\n"], ["xab"]) == [[ids["x"], ids["ab"]]]


def test_no_space_comes_between_that_is_in_neither(stories):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(stories("stories15m"))
    prompts = ["Once upon a time", "Once upon a time", "Once upon a ti", "She said hello. " * CONTEXT]
    responses = [", there was a dog.", " there was a dog.", "me, there was", "Then she left."]
    own = Template(tokenizer, "none").tokenize(prompts)
    found = tokenize_responses(tokenizer, prompts, responses)
    for prompt, response, start, rest in zip(prompts, responses, own, found, strict=True):
        assert tokenizer.decode([*start, *rest], skip_special_tokens=True) == prompt + response


def test_a_chat_template_whose_own_code_fails_is_one_line(letters):
    letters.chat_template = "{% for message in messages %}{{ message.content + 1 }}{% endfor %}"
    with pytest.raises(DataError, match=r"^data\.jsonl:7: the tokenizer's chat template rejects the prompt \(.+\)\.$"):
        Template(letters, "chat").render("one", HERE)


ENDLESS = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"


def test_an_endless_template_is_one_line_before_any_prompt(chatty, monkeypatch):
    monkeypatch.setattr(bounded_rendering, "SECONDS", 0.3)
    with pytest.raises(
        ConfigError, match=r"^\[task\.template\] chat: the tokenizer's chat template does not end within 0\.3 s\.$"
    ):
        _ = Template(chatty(ENDLESS), "chat").end
    data = "{% if 'loop' in messages[0].content %}" + ENDLESS + "{% endif %}@chatml"
    template = Template(chatty(data), "chat")
    with pytest.raises(DataError, match=r"^b:2: the tokenizer's chat template does not end within 0\.3 s\.$"):
        template.render_all(["hello", "loop"], ["a:1", "b:2"])


def test_a_template_with_a_syntax_error_names_the_template(chatty):
    with pytest.raises(
        ConfigError, match=r"^\[task\.template\] chat: the tokenizer's chat template cannot be read \(line 2: .*\)\.$"
    ):
        _ = Template(chatty("a\n{% for %}"), "chat").end
