"""The layout of packed batches: where tokens stand, how they are counted, what they see."""

from __future__ import annotations

import torch
from torch.testing import assert_close

from moft_llm.network.attention.attention_mask import attention_mask, positions
from moft_llm.network.attention.sequence_packing import pack_rows

SEGMENTS = torch.tensor([[0, 0, 1, 2, 2], [0, 1, -1, -1, -1]])


def test_tokens_follow_each_other_without_padding():
    found = pack_rows(SEGMENTS, 1, shared=True)
    assert found.rows.tolist() == [0, 0, 0, 0, 0, 0, 1, 1, 1]
    assert found.columns.tolist() == [0, 1, 2, 3, 4, 5, 0, 1, 2]
    assert found.positions.tolist() == [0, 1, 2, 3, 3, 4, 0, 1, 2]
    assert found.places[0].tolist() == [0, 1, 2, 3, 4, 5]
    assert found.places[1, :3].tolist() == [6, 7, 8]


def test_responses_see_their_prompt_and_themselves():
    packing = pack_rows(SEGMENTS, 1, shared=True).packing
    assert packing.query_starts.tolist() == [0, 3, 4, 6, 8, 9]
    assert packing.key_starts.tolist() == [0, 3, 7, 12, 14, 17]
    assert packing.keys.tolist() == [0, 1, 2, *[0, 1, 2, 3], *[0, 1, 2, 4, 5], *[6, 7], *[6, 7, 8]]
    assert (packing.max_queries, packing.max_keys) == (3, 5)


def test_a_row_of_one_response_is_one_sequence():
    found = pack_rows(torch.tensor([[0, 0, 1], [0, 1, -1]]), 2, shared=False)
    assert found.packing.keys is None
    assert found.packing.query_starts.tolist() == found.packing.key_starts.tolist() == [0, 5, 9]
    assert (found.packing.max_queries, found.packing.max_keys) == (5, 5)
    assert found.positions.tolist() == [0, 1, 2, 3, 4, 0, 1, 2, 3]


def test_packed_tokens_see_what_those_of_padded_rows_do():
    generator = torch.Generator().manual_seed(0)
    for prefix in (0, 3):
        lengths = torch.randint(1, 5, (6, 4), generator=generator)
        rows = [torch.cat([torch.full((int(length),), number) for number, length in enumerate(own)]) for own in lengths]
        segments = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=-1)
        found, mask = pack_rows(segments, prefix, shared=True), attention_mask(segments, prefix)
        starts, ends = found.packing.query_starts.tolist(), found.packing.key_starts.tolist()
        for sequence in range(len(starts) - 1):
            keys = found.packing.keys[ends[sequence] : ends[sequence + 1]]
            for query in range(starts[sequence], starts[sequence + 1]):
                seen = keys[: len(keys) - (starts[sequence + 1] - 1 - query)]
                assert bool((found.rows[seen] == found.rows[query]).all())
                expected = mask[found.rows[query], found.columns[query]].nonzero().squeeze(1)
                assert found.columns[seen].sort().values.tolist() == expected.tolist()
        whole = torch.cat([torch.arange(prefix).expand(len(segments), -1), positions(segments) + prefix], 1)
        assert_close(found.positions, whole[found.rows, found.columns])
