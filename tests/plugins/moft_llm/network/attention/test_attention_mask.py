"""Positions and masks of rows that hold a prompt and its responses."""

from __future__ import annotations

import pytest
import torch

from moft_llm.network.attention.attention_mask import additive_mask, attention_mask, positions

SEGMENTS = torch.tensor([[0, 0, 0, 1, 1, 2, 2, 2], [0, 1, 2, 2, -1, -1, -1, -1]])


def test_every_response_goes_on_where_the_prompt_ends():
    assert positions(SEGMENTS).tolist() == [[0, 1, 2, 3, 4, 3, 4, 5], [0, 1, 1, 2, 0, 0, 0, 0]]


@pytest.mark.parametrize("ahead", [0, 2])
def test_a_token_sees_prefix_prompt_and_its_own_response_up_to_itself(ahead):
    seen = attention_mask(SEGMENTS, ahead)
    for row, own in enumerate([[0] * ahead + segments for segments in SEGMENTS.tolist()]):
        for query, mine in enumerate(own):
            for key, other in enumerate(own):
                assert seen[row, query, key].item() == (key <= query and other in (0, mine))


def test_what_is_not_seen_has_the_lowest_finite_number():
    mask = additive_mask(attention_mask(SEGMENTS, 0), torch.float32)
    assert mask.shape == (2, 1, 8, 8)
    assert mask[0, 0, 5, 3] == torch.finfo(torch.float32).min
    assert mask[0, 0, 5, 2] == 0
