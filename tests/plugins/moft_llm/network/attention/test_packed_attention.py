"""Packed attention is attention under a mask, sequence by sequence, with the gradients of that."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import library
from torch.testing import assert_close

from moft import ShapeError
from moft_llm.loading.model_loading import load_model
from moft_llm.network.attention import packed_attention as module
from moft_llm.network.attention.packed_attention import NAME, can_attend_packed, install, packed_attention
from moft_llm.network.attention.sequence_packing import Packing, pack_rows

SEGMENTS = torch.tensor([[0, 0, 0, 1, 1, 2, -1], [0, 1, 1, 1, 2, 2, 3], [0, 0, 1, -1, -1, -1, -1]])
HEADS, GROUPS, WIDTH, SCALE = 4, 2, 8, 0.3


def drawn(count, dtype=torch.float64, heads=(HEADS, GROUPS, GROUPS)):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(count, own, WIDTH, generator=generator, dtype=dtype).requires_grad_() for own in heads]


def under_a_mask(query, key, value, seen):
    """The formula: softmax over the tokens that are seen, `[N, N]` bool."""
    wide = [part.transpose(0, 1).repeat_interleave(HEADS // part.shape[1], 0) for part in (query, key, value)]
    scores = (wide[0] @ wide[1].mT * SCALE).masked_fill(~seen, -torch.inf)
    return (scores.softmax(-1) @ wide[2]).transpose(0, 1)


def seen_by(packing, count):
    seen = torch.zeros(count, count, dtype=torch.bool)
    keys = torch.arange(count) if packing.keys is None else packing.keys
    for queries, own in zip(pairwise(packing.query_starts.tolist()), pairwise(packing.key_starts.tolist()), strict=True):
        for number, query in enumerate(range(*queries)):
            last = own[1] - (queries[1] - queries[0]) + number
            seen[query, keys[own[0] : last + 1]] = True
    return seen


@pytest.mark.parametrize("shared", [True, False])
def test_it_is_attention_under_a_mask_and_so_are_its_gradients(shared):
    packing = pack_rows(SEGMENTS, 2, shared=shared).packing
    count = int(packing.query_starts[-1])
    parts = drawn(count)
    seen = seen_by(packing, count)
    weights = torch.randn(count, HEADS, WIDTH, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = []
    for output in (packed_attention(*parts, packing, SCALE), under_a_mask(*parts, seen)):
        found.append([output, *torch.autograd.grad((output * weights).sum(), parts)])
    assert_close(*found)


def test_models_side_by_side_attend_as_one_after_the_other():
    packing = pack_rows(SEGMENTS, 0, shared=True).packing
    count = int(packing.query_starts[-1])
    several = [torch.stack([part, 2 * part, part - 1]).detach().requires_grad_() for part in drawn(count)]
    together = torch.vmap(lambda *own: packed_attention(*own, packing, SCALE))(*several)
    alone = torch.stack([packed_attention(*own, packing, SCALE) for own in zip(*several, strict=True)])
    assert_close(together, alone)
    assert_close(*(torch.autograd.grad(one.square().sum(), several) for one in (together, alone)))


def test_a_query_that_all_models_share_is_one_for_each():
    packing = pack_rows(SEGMENTS, 0, shared=False).packing
    query, key, value = (part.detach() for part in drawn(int(packing.query_starts[-1])))
    keys = torch.stack([key, key + 1])
    together = torch.vmap(lambda own: packed_attention(query, own, value, packing, SCALE))(keys)
    assert_close(together, torch.stack([packed_attention(query, own, value, packing, SCALE) for own in keys]))


def test_models_of_batches_of_their_own_cannot_stand_side_by_side(match):
    packing = pack_rows(SEGMENTS, 0, shared=True).packing
    parts = [part.detach() for part in drawn(int(packing.query_starts[-1]))]
    keys = torch.stack([packing.keys, packing.keys])
    with pytest.raises(ShapeError) as raised:
        torch.vmap(lambda own: packed_attention(*parts, packing._replace(keys=own), SCALE))(keys)
    assert match(r"side by side must share their batch", str(raised.value))


def test_16_bits_are_computed_in_more():
    packing = pack_rows(SEGMENTS, 1, shared=True).packing
    count = int(packing.query_starts[-1])
    rough = [part.detach().bfloat16().requires_grad_() for part in drawn(count)]
    exact = [part.detach().float().requires_grad_() for part in rough]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = packed_attention(*rough, packing, SCALE)
    assert found.dtype == torch.bfloat16
    expected = packed_attention(*exact, packing, SCALE)
    assert_close(found, expected.bfloat16())
    ours, theirs = (torch.autograd.grad(one.float().square().sum(), own) for one, own in ((found, rough), (expected, exact)))
    assert_close([part.float() for part in ours], list(theirs), atol=0.05, rtol=0.05)


def test_it_is_an_operator_that_compilers_can_trace():
    packing = pack_rows(SEGMENTS, 1, shared=True).packing
    parts = drawn(int(packing.query_starts[-1]), torch.float32)
    tests = ("test_schema", "test_autograd_registration", "test_faketensor", "test_aot_dispatch_dynamic")
    library.opcheck(torch.ops.moft.packed_attention.default, (*parts, *packing, SCALE), test_utils=tests)


def test_only_gpus_with_flash_attention_pack_and_in_16_bits(monkeypatch):
    monkeypatch.setattr(module, "_has_flash", lambda device: True)
    gpu, cpu = torch.device("cuda"), torch.device("cpu")
    assert can_attend_packed(gpu, torch.bfloat16, 64)
    assert not any(
        can_attend_packed(*one)
        for one in ((cpu, torch.bfloat16, 64), (gpu, torch.float32, 64), (gpu, torch.bfloat16, 264), (gpu, torch.bfloat16, 60))
    )
    monkeypatch.setattr(module, "_has_flash", lambda device: False)
    assert not can_attend_packed(gpu, torch.bfloat16, 64)


def test_a_network_that_attends_in_another_way_is_left_alone(tiny_models):
    network, _ = load_model(str(tiny_models()), device=torch.device("cpu"))
    network.set_attn_implementation("eager")
    assert not install(network)
    network.set_attn_implementation("sdpa")
    assert install(network)
    assert network.config._attn_implementation == NAME


def test_kernels_are_given_what_stands_together_and_so_give_it(monkeypatch):
    packing = pack_rows(SEGMENTS, 1, shared=True).packing
    query, key, value = (part.detach() for part in drawn(int(packing.query_starts[-1]), torch.float32))
    apart = query.transpose(0, 1).contiguous().transpose(0, 1)
    given = []

    def kernel(query, key, value, *more, scale):
        given.append((query, key, value))
        return torch.empty_like(query), query.new_zeros(HEADS, len(query)), None, None, None

    monkeypatch.setattr(module, "can_attend_packed", lambda *_: True)
    monkeypatch.setattr(torch.ops.aten, "_flash_attention_forward", kernel)
    found = packed_attention(apart, key, value, packing, SCALE)
    assert not apart.is_contiguous()
    assert all(part.is_contiguous() for part in (*given[0], found))


def test_gradients_of_keys_that_many_see_are_added_up_in_float32():
    keys, count = torch.zeros(1000, dtype=torch.int64), 4
    grad = torch.full((1000, 1, 8), 0.01, dtype=torch.bfloat16)
    found = module._scatter_gradient(grad, torch.zeros(count, 1, 8, dtype=torch.bfloat16), keys)
    assert found.dtype == torch.bfloat16
    assert_close(found[0].float(), torch.full((1, 8), 1000 * float(grad[0, 0, 0])), rtol=5e-3, atol=0)


def test_what_packed_sequences_cannot_do_is_refused(match):
    from transformers import AttentionInterface

    parts = [part.detach().transpose(0, 1)[None] for part in drawn(3)]
    packing = Packing(None, torch.tensor([0, 3]).int(), torch.tensor([0, 3]).int(), 3, 3)
    attend = AttentionInterface()[NAME]
    for more, told in (({"softcap": 30.0}, "softcap"), ({"s_aux": parts[0]}, "s_aux"), ({"dropout": 0.1}, "dropout")):
        with pytest.raises(ShapeError) as raised:
            attend(None, *parts, None, packing=packing, **more)
        assert match(f"packed attention does not support {told}", str(raised.value))
