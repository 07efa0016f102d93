"""Text in pieces: together they are the text of the whole response, cut at the first stop string."""

from __future__ import annotations

from functools import cache
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from moft.api import EncodedPrompt
from moft_llm.generation.texts.detokenization import detokenize_responses
from moft_llm.generation.texts.text_pieces import TextPieces


@pytest.fixture(scope="module")
def tokenizer(tiny_models):
    return AutoTokenizer.from_pretrained(tiny_models())


@cache
def spaced():
    """A tokenizer whose words begin with a space that is left out at the start of a text, as that of Llama."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = ["<s>", "</s>", "▁a", "▁b", "c", "▁", "<0xC3>", "<0xA9>", "<0x0A>"]
    inner = Tokenizer(models.BPE(vocab={word: place for place, word in enumerate(words)}, merges=[], byte_fallback=True))
    inner.pre_tokenizer = pre_tokenizers.Metaspace()
    inner.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>", eos_token="</s>")


def pieces_of(tokenizer, prompt, response, *stop):
    pieces = TextPieces(tokenizer, prompt, stop)
    found = []
    for token in response:
        found.append(pieces.add(token))
        if pieces.is_stopped:
            return found
    return [*found, pieces.end()]


def ids(tokenizer, text):
    return tuple(tokenizer(text, add_special_tokens=False)["input_ids"])


CHARACTERS = st.lists(st.sampled_from([(0,), (1,), (2,), (3,), (4,), (5,), (6, 7), (8,)]), min_size=1, max_size=12)
"""Tokens of a tokenizer with bytes; those of a character stay together."""


@settings(max_examples=50, deadline=None)
@given(prompt=CHARACTERS, response=CHARACTERS)
def test_pieces_are_the_text_of_the_whole_response(prompt, response):
    tokenizer = spaced()
    prompt, response = (list(chain(*characters)) for characters in (prompt, response))
    (expected,) = detokenize_responses(tokenizer, [prompt], [response])
    assert "".join(pieces_of(tokenizer, EncodedPrompt(tuple(prompt)), response)) == expected


def test_a_part_of_a_character_waits_for_the_rest(tokenizer):
    prompt = EncodedPrompt(ids(tokenizer, "Caf"))
    assert pieces_of(tokenizer, prompt, ids(tokenizer, "é!")) == ["", "é", "!", ""]
    assert pieces_of(tokenizer, prompt, ids(tokenizer, "é")[:1]) == ["", "\ufffd"]


def test_a_stop_string_and_what_follows_are_no_part_of_the_text(tokenizer):
    prompt = EncodedPrompt(ids(tokenizer, "Q"))
    response = ids(tokenizer, "one\n\ntwo")
    assert "".join(pieces_of(tokenizer, prompt, response, "\n\n", "x")) == "one"
    assert "".join(pieces_of(tokenizer, prompt, response, "\n\n\n", "wot")) == "one\n\ntwo"
    assert pieces_of(tokenizer, prompt, ids(tokenizer, "a\nb"), "\n\n") == ["a", "", "\nb", ""]


def test_the_space_before_a_response_goes_and_the_opened_block_comes(tokenizer):
    prompt = EncodedPrompt(ids(tokenizer, "Q"), " ", "<think>")
    assert pieces_of(tokenizer, prompt, ids(tokenizer, " hm")) == ["", "<think>h", "m", ""]
    assert pieces_of(tokenizer, prompt, ids(tokenizer, "hm")) == ["<think>h", "m", ""]
    assert pieces_of(tokenizer, prompt, ()) == ["<think>"]
