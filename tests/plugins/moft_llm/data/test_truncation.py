"""Prompts keep their end, responses their beginning; one byte is one token here."""

from __future__ import annotations

import pytest

from moft import DataError
from moft_llm.data import truncation
from moft_llm.data.chat.chat_template import Template
from moft_llm.data.preference_example import Example


@pytest.fixture
def letters(tiny_models):
    """A tokenizer of single bytes, which puts no BOS."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_models("llama"))


@pytest.fixture
def cut(letters):
    """Cuts one list; gives its prompt and responses as text, and the truncator."""

    def made(prompt, *responses, most, most_response=None, eos=None, template="none"):
        truncator = truncation.Truncator(Template(letters, template), most, most_response, eos)
        truncator.add([Example(prompt, responses, {}, "data.jsonl:7")])
        lengths = [*truncator.prompt_lengths, *truncator.response_lengths]
        return [letters.decode(part) for part in truncator.parts[0].split(lengths)], truncator

    return made


def test_what_fits_stays_and_ends_in_eos(cut, letters):
    parts, truncator = cut("Once", "abc", "de", most=8, eos=letters.eos_token_id)
    assert parts == ["Once", "abc</s>", "de</s>"]
    assert (truncator.cut_prompts, truncator.cut_responses, truncator.identical) == (0, 0, 0)


def test_a_response_that_ends_in_eos_gets_no_other(cut, letters):
    assert cut("Once", "abc</s>", "de", most=9, eos=letters.eos_token_id)[0] == ["Once", "abc</s>", "de</s>"]


def test_a_long_response_keeps_its_beginning_and_gets_no_eos(cut, letters):
    parts, truncator = cut("Once", "abc", "defghij", most=20, most_response=4, eos=letters.eos_token_id)
    assert parts == ["Once", "abc</s>", "defg"]
    assert truncator.cut_responses == 1


def test_a_response_may_take_what_its_prompt_leaves(cut):
    assert cut("Once", "abcdefghij", "x", most=12)[0] == ["Once", "abcdefgh", "x"]
    assert cut("Once upon a time", "abcdefghij", "x", most=12)[0] == ["a time", "abcdef", "x"]


def test_a_long_prompt_keeps_its_end_in_the_room_of_the_longest_response(cut):
    parts, truncator = cut("Once upon a time", "abc", "d", most=9, most_response=5)
    assert parts == ["a time", "abc", "d"]
    assert truncator.cut_prompts == 1


def test_a_bos_at_the_beginning_stays(cut, letters):
    letters.add_special_tokens({"bos_token": "<s>"})
    assert cut("<s>Once upon a time", "abc", "d", most=9, most_response=5)[0] == ["<s> time", "abc", "d"]


def test_the_end_of_a_chat_is_kept(cut):
    parts, _ = cut("Hello", "ab", "c", most=16, template="chat")
    assert parts[0] == "lo</s><assistant>"  # 14 tokens, of which </s> is one


def test_spaces_at_the_end_of_a_format_begin_the_responses(cut):
    assert cut("Hi", "ab", "c", most=20, template="{prompt}!  ")[0] == ["Hi!", "  ab", "  c"]


def test_a_prompt_of_which_nothing_would_stay_is_one_line(cut):
    with pytest.raises(DataError, match=r"^data\.jsonl:7: the responses leave 1 of 4 tokens for the prompt, which is too few"):
        cut("<s>Once", "abc", "d", most=4, most_response=3)


def test_texts_without_tokens_are_one_line(cut):
    with pytest.raises(DataError, match=r"^data\.jsonl:7: the prompt has no tokens after tokenization; every prompt needs one"):
        cut("", "abc", "d", most=8)
    with pytest.raises(
        DataError, match=r"^data\.jsonl:7: response 2 has no tokens after tokenization; every response needs one\.$"
    ):
        cut("Once", "abc", "", most=8)


def test_responses_that_a_cut_makes_equal_are_counted(cut):
    assert cut("Once", "abcde", "abcdx", "y", most=20, most_response=4)[1].identical == 1
    assert cut("Once", "abcde", "abcdx", "y", most=20, most_response=5)[1].identical == 0


def test_many_lists_are_cut_as_one_by_one(letters, monkeypatch):
    monkeypatch.setattr(truncation, "CHUNK", 4)
    examples = [Example(f"prompt {n}", (f"a{n}", f"b{n}"), {}, "data.jsonl:7") for n in range(10)]
    truncator = truncation.Truncator(Template(letters, "none"), 64, None, None)
    truncator.add(examples)
    assert [letters.decode(part) for part in truncator.parts] == [f"prompt {n}a{n}b{n}" for n in range(10)]
    assert truncator.texts == [f"prompt {n}" for n in range(10)]
