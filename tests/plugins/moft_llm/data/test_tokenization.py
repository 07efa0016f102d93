"""Lists as tokens, with their labels, counts and hashes; one byte is one token here."""

from __future__ import annotations

import pytest
import torch

from moft import ConfigError, DataError
from moft_llm.data.label_transforms import TextLabel
from moft_llm.data.preference_example import Example
from moft_llm.data.tokenization import check_truncation, tokenize

EXAMPLES = [
    Example("Once", ("abc", "de", "f"), {"good": (1.0, 2.0, None)}, "data.jsonl:1"),
    Example("Once upon a time", ("ghi", "jk"), {"short": (0.0, 1.0), "good": (3.0, 3.0)}, "data.jsonl:2"),
    Example("Once", ("lm", "n"), {}, "data.jsonl:3"),
]
OBJECTIVES = {"short": TextLabel(), "quality": TextLabel("good")}


@pytest.fixture
def letters(tiny_models):
    """A tokenizer of single bytes, which puts no BOS."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_models("llama"))


@pytest.fixture
def made(letters):
    """`EXAMPLES` as tokens."""

    def with_settings(examples=EXAMPLES, **settings):
        given = {"template": "none", "max_length": 12, "max_response": 4, "add_eos": False, "objectives": OBJECTIVES}
        return tokenize(examples, letters, **{**given, **settings})

    return with_settings


def test_tokens_stand_list_after_list_prompt_before_responses(made, letters):
    data = made()
    assert letters.decode(data.tokens) == "Onceabcdefon a timeghijkOncelmn"
    assert data.prompt_lengths.tolist() == [4, 9, 4]
    assert data.sizes.tolist() == [3, 2, 2]
    assert data.response_lengths.tolist() == [3, 2, 1, 3, 2, 2, 1]
    assert data.lengths.tolist() == [10, 14, 7]
    assert data.where == ("data.jsonl:1", "data.jsonl:2", "data.jsonl:3")
    assert len(data) == 3


def test_labels_stand_item_after_item(made):
    data = made()
    assert data.labels.tolist() == [[0, 1], [0, 2], [0, 0], [0, 0], [1, 0], [0, 0], [0, 0]]
    assert data.mask.tolist() == [[False, True]] * 2 + [[False, False]] + [[True, False]] * 2 + [[False, False]] * 2


def test_what_was_cut_is_counted_and_told(made):
    data = made(max_response=2)
    counts = data.counts
    assert (counts.lists, counts.items, counts.tokens) == (3, 7, len(data.tokens))
    assert (counts.cut_prompts, counts.cut_responses, counts.identical) == (1, 2, 0)
    assert counts.labelled == {"short": 1, "quality": 1}
    assert data.notes("train") == (
        "train: 1 of 3 prompts were too long and lost their beginning.",
        "train: 2 of 7 responses were too long and lost their end.",
    )
    alike = made([Example("Once", ("abc", "abd"), {}, "data.jsonl:1")], max_response=2)
    assert alike.notes("test")[1] == "test: 1 of 1 prompts have responses with identical tokens, which get identical scores."
    assert made(max_length=64).notes("train") == ()


def test_every_prompt_is_seen_once_and_as_long_as_it_stands_anywhere(made, letters):
    examples = [*EXAMPLES, Example("Once upon a time", ("o", "p"), {}, "data.jsonl:4")]
    once, upon = made(examples).prompts()
    assert (once.text, once.lists, letters.decode(once.tokens)) == ("Once", (0, 2), "Once")
    assert (upon.text, upon.lists, letters.decode(upon.tokens)) == ("Once upon a time", (1, 3), "upon a time")


def test_the_hash_of_tokens_knows_every_token_and_where_responses_begin(made):
    same = made()
    assert same.tokens_sha256 == made().tokens_sha256
    moved = made([Example("Oncea", ("bc", "de", "f"), EXAMPLES[0].labels, "x"), *EXAMPLES[1:]])
    assert moved.tokens.equal(same.tokens)
    assert moved.tokens_sha256 != same.tokens_sha256
    assert made(add_eos=True).tokens_sha256 != same.tokens_sha256


def test_the_whole_hash_knows_labels_too(made):
    relabelled = made(objectives={"short": TextLabel(sharpness=2.0), "quality": TextLabel("good")})
    assert relabelled.tokens_sha256 == made().tokens_sha256
    assert relabelled.sha256 != made().sha256
    assert made().sha256 == made().sha256


def test_settings_that_leave_no_room_are_one_line(made, letters):
    for most in (0, 12, 13):
        with pytest.raises(
            ConfigError, match=rf"^\[task\.max_response\] {most} must be from 1 to max_length - 1 = 11: the prompt needs a token"
        ):
            made(max_response=most)
    with pytest.raises(
        ConfigError, match=r"^\[task\.max_length\] 1 must be at least 2: one token for the prompt and one for the response\.$"
    ):
        made(max_length=1)
    with pytest.raises(DataError, match=r"^the data has no prompts\.$"):
        made([])


def test_a_tokenizer_without_eos_cannot_end_responses(made, letters):
    letters.eos_token = None
    with pytest.raises(ConfigError, match=r"^\[task\.add_eos\] the tokenizer has no end-of-sequence token\. Set it to false\.$"):
        made(add_eos=True)
    assert made().response_lengths.dtype == torch.int64


def test_more_than_a_share_of_cut_prompts_or_responses_is_an_error_that_names_the_settings(made):
    counts = made(max_response=2).counts  # 1 of 3 prompts and 2 of 7 responses are cut
    check_truncation([counts, counts], 0.34)
    with pytest.raises(
        ConfigError, match=r"^\[task\.max_length\] 2 of 6 prompts are .* more than task\.max_truncated: 0\.3\. Raise"
    ):
        check_truncation([counts, counts], 0.3)
    counts = made([Example("Once", ("abc", "abd"), {}, "data.jsonl:1")], max_response=2).counts
    with pytest.raises(
        ConfigError,
        match=r"^\[task\.max_length\] 2 of 2 responses are too long and would be cut, more than task\.max_truncated: 0\.75\. "
        r"Raise task\.max_length or task\.max_response, take a model with a longer context, or raise task\.max_truncated\.$",
    ):
        check_truncation([counts], 0.75)
    check_truncation([counts], 1.0)
