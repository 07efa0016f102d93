"""The layout of rows, and which hidden state predicts which token."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from moft import ShapeError
from moft_llm.network.prompt_response_layout import check_layout, predictions, separate_responses, trim_padding

SEGMENTS = torch.tensor([[0, 0, 0, 1, 1, 2, 2, 2], [0, 1, 2, 2, -1, -1, -1, -1]])
TOKENS = torch.arange(16).reshape(2, 8)


def test_a_token_is_predicted_from_the_one_before_and_a_first_one_from_the_prompts_last():
    found = predictions(SEGMENTS)
    assert found.rows.tolist() == [0, 0, 0, 0, 0, 1, 1, 1]
    assert found.places.tolist() == [3, 4, 5, 6, 7, 1, 2, 3]
    assert found.sources.tolist() == [2, 3, 2, 5, 6, 0, 0, 2]
    assert found.responses.tolist() == [0, 0, 1, 1, 1, 0, 1, 1]


def test_columns_of_padding_alone_are_left_out():
    segments = torch.cat([SEGMENTS, torch.full((2, 3), -1)], 1)
    tokens, cut = trim_padding(torch.cat([TOKENS, torch.zeros(2, 3, dtype=torch.int64)], 1), segments)
    assert_close((tokens, cut), (TOKENS, SEGMENTS))


def test_separated_rows_hold_the_prompt_and_one_response():
    tokens, segments, rows, responses = separate_responses(TOKENS, SEGMENTS)
    assert rows.tolist() == [0, 0, 1, 1]
    assert responses.tolist() == [0, 1, 0, 1]
    kept = [
        [token for token, one in zip(*row, strict=True) if one >= 0]
        for row in zip(tokens.tolist(), segments.tolist(), strict=True)
    ]
    assert kept == [[0, 1, 2, 3, 4], [0, 1, 2, 5, 6, 7], [8, 9], [8, 10, 11]]
    assert segments.tolist() == [[0, 0, 0, 1, 1, -1], [0, 0, 0, 1, 1, 1], [0, 1, -1, -1, -1, -1], [0, 1, 1, -1, -1, -1]]


def test_a_response_that_is_missing_has_no_row():
    _, _, rows, responses = separate_responses(TOKENS[1:], torch.tensor([[0, 0, 3, 3, 3, -1, -1, -1]]))
    assert (rows.tolist(), responses.tolist()) == ([0], [2])


def test_tensors_of_different_batches_are_refused(match):
    with pytest.raises(ShapeError) as raised:
        check_layout(TOKENS, SEGMENTS[:1], torch.ones(2, 2, dtype=torch.bool))
    assert match(r"\[batch, time\].*got \[2, 8\], \[1, 8\] and \[2, 2\]", str(raised.value))
