"""The text and the bytes of single tokens, beside their log-probabilities."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoTokenizer

from moft_llm.serving.token_scores import TokenScores


def test_every_byte_of_a_text_is_told(tiny_models):
    tokenizer = AutoTokenizer.from_pretrained(tiny_models())
    scores, logits = TokenScores(tokenizer), torch.randn(300, generator=torch.Generator().manual_seed(0))
    text = " Café\n☃ "
    found = [scores.at(logits, token, 0)[0] for token in tokenizer(text, add_special_tokens=False)["input_ids"]]
    assert b"".join(one.raw for one in found) == text.encode()
    assert [one.text for one in found[:4]] == [" ", "C", "a", "f"]


def test_the_likeliest_tokens_come_in_order(tiny_models):
    scores = TokenScores(AutoTokenizer.from_pretrained(tiny_models()))
    logits = torch.arange(10.0)
    chosen, likeliest = scores.at(logits, 3, 2)
    assert [one.token for one in likeliest] == [9, 8]
    assert chosen.logprob == pytest.approx(float(logits.log_softmax(0)[3]))
    assert scores.at(logits, 0, 0)[0].text == "<s>"
