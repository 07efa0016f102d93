"""Attention of sequences that stand one after another without padding, where responses share the keys of their prompt."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor, library

from moft import ShapeError
from moft_llm.loading.model_loading import quiet
from moft_llm.network.sequential_attention import Packing, attended_one_by_one, gradients_one_by_one

NAME = "moft"
"""What transformers calls this attention; without a packing it is `sdpa`."""

_FLASH = (torch.float16, torch.bfloat16)
_WIDEST = 256  # of a head, for the kernels of flash attention


def can_attend_packed(device: torch.device, dtype: torch.dtype, head: int) -> bool:
    """True when packed sequences are attended by kernels of their own, and so faster than padded rows under a mask."""
    return device.type == "cuda" and dtype in _FLASH and head <= _WIDEST and head % 8 == 0 and _has_flash(device)


@cache
def _has_flash(device: torch.device) -> bool:
    """Whether a GPU has the kernels: those of NVIDIA from Ampere on do."""
    is_built = torch.version.hip is None and torch.backends.cuda.is_flash_attention_available()
    return is_built and torch.cuda.get_device_capability(device) >= (8, 0)


def packed_attention(query: Tensor, key: Tensor, value: Tensor, packing: Packing, scale: float) -> Tensor:
    """`[N, heads, width]`, what each token attends to.

    On a GPU it is flash attention, in 16 bits; elsewhere sequence after sequence, in any precision.

    Args:
        query: `[N, heads, width]`.
        key: `[N, groups, width]`; heads are a multiple of groups.
        value: `[N, groups, width]`.
        packing: of the N tokens.
        scale: of the scores, before their softmax.

    Source: Dao 2023 (FlashAttention-2), through `torch.ops.aten`; that responses share the keys of their prompt is ours.
    """
    found: tuple[Tensor, Tensor] = _attended(query, key, value, *packing, scale)
    return found[0]


def install(network: Any) -> bool:
    """Switches a causal model that attends by `sdpa` to `NAME`, which does the same without a packing; True when it did."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    if network.config.get_text_config()._attn_implementation != "sdpa":
        return False
    AttentionInterface.register(NAME, _interface)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    with quiet():
        network.set_attn_implementation(NAME)
    return bool(network.config.get_text_config()._attn_implementation == NAME)


def _interface(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    packing: Packing | None = None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **more: Any,
) -> tuple[Tensor, Tensor | None]:
    """`[batch, time, heads, width]`, as transformers asks for it, of queries `[batch, heads, time, width]`."""
    if packing is None:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        found: tuple[Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **more
        )
        return found
    changed = sorted(name for name in ("softcap", "s_aux", "position_bias", "head_mask") if more.get(name) is not None)
    if changed or dropout:
        raise ShapeError(f"packed attention knows nothing of {', '.join(changed or ['dropout'])}.")
    whole = [part[0].transpose(0, 1) for part in (query, key, value)]  # [N, heads or groups, width] each
    if torch.is_autocast_enabled(query.device.type):
        whole = [part.to(torch.get_autocast_dtype(query.device.type)) for part in whole]
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    return packed_attention(whole[0], whole[1], whole[2], packing, scale).unsqueeze(0), None


@library.custom_op("moft::packed_attention", mutates_args=())
def _attended(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    keys: Tensor | None,
    query_starts: Tensor,
    key_starts: Tensor,
    most_queries: int,
    most_keys: int,
    scale: float,
) -> tuple[Tensor, Tensor]:
    """`[N, heads, width]`, and the logarithms of the softmaxes' sums, `[heads, N]` float32 or wider."""
    packing = Packing(keys, query_starts, key_starts, most_queries, most_keys)
    if not can_attend_packed(query.device, query.dtype, query.shape[-1]):
        with torch.autocast(query.device.type, enabled=False):
            return attended_one_by_one(query, key, value, packing, scale)
    query, seen, said = query.contiguous(), _gathered(key, keys), _gathered(value, keys)
    found = torch.ops.aten._flash_attention_forward(
        query, seen, said, query_starts, key_starts, most_queries, most_keys, 0.0, True, False, scale=scale
    )
    return found[0], found[1]


@library.custom_op("moft::packed_attention_backward", mutates_args=())
def _attended_backward(
    grad: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    output: Tensor,
    sums: Tensor,
    keys: Tensor | None,
    query_starts: Tensor,
    key_starts: Tensor,
    most_queries: int,
    most_keys: int,
    scale: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients for query, key and value."""
    packing = Packing(keys, query_starts, key_starts, most_queries, most_keys)
    if not can_attend_packed(query.device, query.dtype, query.shape[-1]):
        with torch.autocast(query.device.type, enabled=False):
            return gradients_one_by_one(grad, query, key, value, output, sums, packing, scale)
    query, seen, said = query.contiguous(), _gathered(key, keys), _gathered(value, keys)
    state = torch.zeros(2, dtype=torch.uint64, device=query.device)  # of dropout, of which there is none
    own, of_keys, of_values = torch.ops.aten._flash_attention_backward(
        grad.contiguous(), query, seen, said, output, sums, query_starts, key_starts, most_queries, most_keys, 0.0, True,
        state, state.new_empty(0), scale=scale,
    )  # fmt: skip
    return own, _returned(of_keys, key, keys), _returned(of_values, value, keys)


def _gathered(values: Tensor, keys: Tensor | None) -> Tensor:
    return values.contiguous() if keys is None else values.index_select(0, keys)


def _returned(grad: Tensor, values: Tensor, keys: Tensor | None) -> Tensor:
    """The gradient of `_gathered`: what its copies got, added up in float32."""
    if keys is None:
        return grad
    return torch.zeros(values.shape, dtype=torch.float32, device=grad.device).index_add_(0, keys, grad.float()).to(grad.dtype)


@_attended.register_fake
def _(query: Tensor, key: Tensor, value: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
    exact = torch.promote_types(query.dtype, torch.float32)
    return torch.empty_like(query, memory_format=torch.contiguous_format), query.new_empty(
        query.shape[1], query.shape[0], dtype=exact
    )


@_attended_backward.register_fake
def _(_grad: Tensor, query: Tensor, key: Tensor, value: Tensor, *_: Any) -> tuple[Tensor, Tensor, Tensor]:
    own, of_keys, of_values = (torch.empty_like(part, memory_format=torch.contiguous_format) for part in (query, key, value))
    return own, of_keys, of_values


def _kept(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    query, key, value, keys, query_starts, key_starts, ctx.most_queries, ctx.most_keys, ctx.scale = inputs
    ctx.mark_non_differentiable(output[1])
    ctx.save_for_backward(query, key, value, *output, keys, query_starts, key_starts)


def _gradients(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
    found = _attended_backward(grad, *ctx.saved_tensors, ctx.most_queries, ctx.most_keys, ctx.scale)
    return (*found, None, None, None, None, None, None)


_attended.register_autograd(_gradients, setup_context=_kept)


@_attended.register_vmap
def _(info: Any, in_dims: tuple[int | None, ...], *inputs: Any) -> tuple[Any, Any]:
    """Models side by side: their sequences follow each other."""
    tokens = [_one_after_another(part, dim, info.batch_size) for part, dim in zip(inputs[:3], in_dims[:3], strict=True)]
    packing = _repeated(Packing(*inputs[3:8]), in_dims[3:8], info.batch_size, len(tokens[0]) // info.batch_size)
    output, sums = _attended(*tokens, *packing, inputs[8])
    return (output.unflatten(0, (info.batch_size, -1)), sums.unflatten(1, (info.batch_size, -1))), (0, 1)


@_attended_backward.register_vmap
def _(info: Any, in_dims: tuple[int | None, ...], *inputs: Any) -> tuple[Any, Any]:
    models = info.batch_size
    tokens = [_one_after_another(part, dim, models) for part, dim in zip(inputs[:5], in_dims[:5], strict=True)]
    sums = _one_after_another(inputs[5], in_dims[5], models, tokens=1)
    packing = _repeated(Packing(*inputs[6:11]), in_dims[6:11], models, len(tokens[0]) // models)
    found = _attended_backward(*tokens, sums, *packing, inputs[11])
    return tuple(part.unflatten(0, (models, -1)) for part in found), (0, 0, 0)


def _one_after_another(values: Tensor, dim: int | None, models: int, tokens: int = 0) -> Tensor:
    """The tokens of all models on one axis, `tokens`."""
    whole = values.unsqueeze(tokens).expand(*values.shape[:tokens], models, *values.shape[tokens:]) if dim is None else values
    return (whole if dim is None else whole.movedim(dim, tokens)).flatten(tokens, tokens + 1)


def _repeated(packing: Packing, dims: tuple[int | None, ...], models: int, tokens: int) -> Packing:
    """The packing of several models, whose tokens follow each other.

    Raises:
        ShapeError: models side by side do not share it.
    """
    if any(dim is not None for dim in dims):
        raise ShapeError("models that are computed side by side share their batch.")
    further = torch.arange(models, device=packing.query_starts.device).unsqueeze(1)
    keys, count = packing.keys, tokens if packing.keys is None else len(packing.keys)

    def starts(ends: Tensor, size: int) -> Tensor:
        return torch.cat([ends[:1], (ends[1:] + further * size).flatten()]).int()

    return packing._replace(
        keys=None if keys is None else (keys + further * tokens).flatten(),
        query_starts=starts(packing.query_starts, tokens),
        key_starts=starts(packing.key_starts, count),
    )
