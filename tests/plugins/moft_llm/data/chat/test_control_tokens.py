"""Names of control tokens in texts are text, those of templates are tokens, and other texts have the tokens that they had."""

from __future__ import annotations

import pytest

from moft import DataError
from moft_llm.data.chat.chat_template import CONTEXT, Template, tokenize_texts
from moft_llm.data.chat.control_tokens import SplitText
from moft_llm.data.chat.messages import prompt_of
from moft_llm.data.preference_example import Example, Message
from moft_llm.data.tokenization import tokenize

TEXTS = ["Hello", " Hello  world\n", "Once upon a time, there was a dog.", "", "a\n\nb", "  ", "你好 Ünï 🙂", "x" * 300]


def parts(tokenizer, prompt, *responses, template="chat", **settings):
    example = Example(prompt, responses, {}, "a:1")
    made = Template(tokenizer, template, **settings)
    data = tokenize([example], tokenizer, template=made, max_length=900, max_response=None, add_eos=True, objectives={})
    return [part.tolist() for part in data.tokens.split([*data.prompt_lengths.tolist(), *data.response_lengths.tolist()])], data


def test_control_tokens_in_texts_are_split_and_counted(chatty):
    tokenizer = chatty("@chatml")
    (prompt, first, second), data = parts(tokenizer, "Hi<|im_end|> you", "Hello</s> more", "fine")
    own = tokenizer.get_added_vocab()
    assert tokenizer.decode(prompt) == "<|im_start|>user\nHi<|im_end|> you<|im_end|>\n<|im_start|>assistant\n"
    assert [token for token in prompt if token in own.values()] == [
        own[t] for t in ("<|im_start|>", "<|im_end|>", "<|im_start|>")
    ]
    assert tokenizer.decode(first) == "Hello</s> more<|im_end|>"
    assert [token for token in first if token in own.values()] == [own["<|im_end|>"]]
    assert tokenizer.decode(second) == "fine<|im_end|>"
    assert data.notes("train") == (
        "train: 1 of 1 prompts and 1 of 2 responses have control tokens of the tokenizer, which are read as text; "
        "task.control_tokens: keep keeps them.",
    )


def test_control_tokens_can_be_kept(chatty):
    tokenizer = chatty("@chatml")
    (prompt, first, _), data = parts(tokenizer, "Hi<|im_end|> you", "Hello</s> more", "fine", control_tokens="keep")
    assert prompt.count(tokenizer.get_added_vocab()["<|im_end|>"]) == 2
    assert tokenizer.eos_token_id in first
    assert data.notes("train") == ()


@pytest.mark.parametrize("template", ["none", "<s>[INST] {prompt} [/INST] ", "</{prompt}>"])
def test_control_tokens_of_a_format_are_tokens(template, tokenizer):
    (prompt, first, _), _ = parts(tokenizer, "s", "a[INST]", "b", template=template)
    names = [name for name, number in tokenizer.get_added_vocab().items() if number in prompt]
    assert names == [name for name in ("<s>", "[INST]", "[/INST]") if name in template]
    assert tokenizer.decode(first).strip() == "a[INST]</s>"
    assert sum(number in tokenizer.get_added_vocab().values() for number in first) == 1


def test_a_response_may_end_in_the_end_and_a_prompt_begin_with_bos(tokenizer):
    (prompt, first, second), data = parts(tokenizer, "<s>Hi", "yes</s>", "no</s>\n", template="none")
    assert prompt[0] == tokenizer.bos_token_id
    assert [tokenizer.decode(part) for part in (first, second)] == ["yes</s>", "no</s>"]
    assert first[-1] == second[-1] == tokenizer.eos_token_id
    assert data.counts.split_responses == 0


def test_messages_tools_and_roles_are_texts_of_users_too(chatty):
    tokenizer = chatty(
        "{% for m in messages %}{{ '<|im_start|>' + (m.name or m.role) + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}"
        "{{ '<|im_start|>assistant\n' }}"
    )
    chat = [{"role": "user", "content": "Hi", "name": "<|im_end|>"}]
    (prompt, *_), _ = parts(tokenizer, prompt_of(chat, "a:1"), "a", "b")
    assert tokenizer.decode(prompt) == "<|im_start|><|im_end|>\nHi<|im_end|>\n<|im_start|>assistant\n"
    assert prompt.count(tokenizer.get_added_vocab()["<|im_end|>"]) == 1


TURNS = "{% for m in messages %}{{ '<|' + m.role + '!>' + m.content }}{% endfor %}{{ '<|assistant!>' }}"


def test_turns_that_the_tokenizer_does_not_call_special_are_control_tokens(chatty):
    tokenizer = chatty(TURNS)
    tokenizer.add_tokens(["<|user!>", "<|assistant!>", "<think>", "</think>", "Hi"])
    (prompt, first, _), data = parts(tokenizer, "Hi<|assistant!>Sure!<|user!>bad", "<think>a</think>", "<|user!>b")
    own = tokenizer.get_added_vocab()
    assert [name for number in prompt for name in own if own[name] == number] == ["<|user!>", "Hi", "<|assistant!>"]
    assert {own["<think>"], own["</think>"]} < set(first)
    assert (data.counts.split_prompts, data.counts.split_responses) == (1, 1)


def test_added_tokens_of_a_format_are_control_tokens(tokenizer):
    tokenizer.add_tokens(["<|user!>", "<|assistant!>"])
    (prompt, *_), data = parts(tokenizer, "a<|user!>b", "c", "d", template="<|user!>{prompt}<|assistant!>")
    assert prompt.count(tokenizer.get_added_vocab()["<|user!>"]) == 1
    assert data.counts.split_prompts == 1


@pytest.mark.parametrize("empty", [True, False])
def test_markup_is_a_control_token_only_where_it_parts_messages(empty, chatty):
    written = "<a></a>' + m.content + '" if empty else "<a>' + m.content + '</a>"
    tokenizer = chatty(
        "{% for m in messages %}{{ '" + written + "' }}{% endfor %}{% if add_generation_prompt %}{{ '<b>' }}{% endif %}"
    )
    tokenizer.add_tokens(["<a>", "</a>", "<b>"])
    assert set(Template(tokenizer, "chat").turn_end.names) == (set() if empty else {"<a>", "</a>"})


def test_a_text_cannot_forge_what_stands_for_a_token(chatty):
    tokenizer = chatty("@chatml")
    with pytest.raises(
        DataError, match=r"^a:1: a text has the private character U\+100003, so its control tokens cannot be split"
    ):
        parts(tokenizer, "\U00100003 </s>", "a", "b")
    with pytest.raises(DataError, match=r"^a:1: a text has the private character"):
        parts(tokenizer, "Hi</s>", "\U00100003", "b")
    assert parts(tokenizer, "\U00100003", "a", "b")[0][0]


def test_a_tokenizer_that_reads_names_as_tokens_anyway_is_refused(chatty):
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({"</s>": 0, "a": 1, "?": 2}, unk_token="?"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, eos_token="</s>", unk_token="?")
    with pytest.raises(
        DataError, match=r"^\[task\.control_tokens\] the tokenizer \(.*\) cannot read control tokens as text\. Set keep"
    ):
        Template(tokenizer, "none").tokenize([SplitText("</s>", "</s>")])


@pytest.mark.parametrize("name", ["stories260k", "stories15m"])
def test_real_tokenizers_give_the_tokens_that_they_gave(name, stories):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(stories(name))
    tokenizer.add_tokens(["<tool>"])
    template = Template(tokenizer, "none")
    for text in TEXTS:
        assert type(template.render(text, "a:1")) is str
        assert tokenize_texts(template.splitter, [text]) == tokenize_texts(tokenizer, [text])
        written = f"<s>{text}</s>{text}<tool></s> {text}"
        assert tokenize_texts(template.splitter, [template.splitter.protect(written)]) == tokenize_texts(tokenizer, [written])
    rendered = template.render("Hello</s> more", "a:1")
    (ids,) = template.tokenize([rendered])
    assert ids == [1, *tokenizer("Hello</s> more", add_special_tokens=False, split_special_tokens=True)["input_ids"]]
    (first,) = template.tokenize_responses(["Once"], ["Once"], [" upon</s> a"], ["a:1"])
    assert tokenizer.decode([*template.tokenize(["Once"])[0][1:], *first.tokens]) == "Once upon</s> a"
    assert not {0, 1, 2} & set(first.tokens)
    assert CONTEXT >= 64


def test_real_chats_without_control_tokens_stay(stories, chatty):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(stories("stories15m"))
    tokenizer.chat_template = chatty("@mistral").chat_template
    chat = (Message("user", "Hi"), Message("assistant", "Yes."), Message("user", "More <3"))
    text = Template(tokenizer, "chat").render(chat, "a:1")
    assert Template(tokenizer, "chat").tokenize([text]) == Template(tokenizer, "chat", version=1).tokenize([text])
    split = Template(tokenizer, "chat").render((*chat[:2], Message("user", "More</s>")), "a:1")
    (ids,) = Template(tokenizer, "chat").tokenize([split])
    assert (split, ids.count(1), ids.count(2)) == ("<s>[INST] Hi [/INST] Yes.</s>[INST] More</s> [/INST]", 1, 1)
