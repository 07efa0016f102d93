"""Penalties of tokens, by hand: what is seen is less likely, what would repeat or end too early is excluded."""

from __future__ import annotations

import torch

from moft.api import TokenSampling
from moft_llm.generation.token_penalties import Penalties, has_penalties, penalised

LOGITS = torch.tensor([2.0, -1.0, 0.5, 1.0, 0.0])
OUT = -torch.inf


def found(prompt, tokens, **sampling):
    given = TokenSampling(**sampling)
    assert has_penalties(given)
    return penalised(LOGITS, prompt, tokens, given, {4}).tolist()


def test_each_penalty_by_hand():
    assert found([0], [1], repetition_penalty=2.0) == [1.0, -2.0, 0.5, 1.0, 0.0]
    assert found([0], [3, 3], presence_penalty=0.25, frequency_penalty=0.5) == [2.0, -1.0, 0.5, -0.25, 0.0]
    assert found([0], [], bias={2: 3.0}) == [2.0, -1.0, 3.5, 1.0, 0.0]
    assert found([0], [1], bias={(0, 1, 2): 3.0, (1, 2): 1.0, (2, 3): 9.0, 0: -1.0}) == [1.0, -1.0, 4.5, 1.0, 0.0]
    assert found([], [], bias={(1, 2): 3.0}) == LOGITS.tolist()
    assert found([0, 1, 2], [0, 1], no_repeat_ngram=3) == [2.0, -1.0, OUT, 1.0, 0.0]
    assert found([0], [1], min_tokens=2) == [2.0, -1.0, 0.5, 1.0, OUT]
    assert found([0], [1, 1], min_tokens=2) == LOGITS.tolist()
    assert found([0, 1, 2, 3, 4], [], no_repeat_ngram=1) == LOGITS.tolist()  # where nothing would be left
    assert not has_penalties(TokenSampling(temperature=0, top_p=0.5))


def test_rows_of_a_batch_have_their_own():
    sampling = TokenSampling(frequency_penalty=1.0, repetition_penalty=2.0)
    tokens, prompts = torch.tensor([[1, 1], [2, 3]]), [[0], [4, 4]]
    whole = Penalties(prompts, sampling, {4})(tokens, torch.stack([LOGITS, LOGITS]))
    alone = [penalised(LOGITS, prompt, row.tolist(), sampling, {4}) for prompt, row in zip(prompts, tokens, strict=True)]
    assert torch.equal(whole, torch.stack(alone))
    nothing = torch.empty(2, 0, dtype=torch.long)
    assert Penalties(prompts, sampling, {4})(nothing, torch.stack([LOGITS, LOGITS]))[0, 0] == 1.0
