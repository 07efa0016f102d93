"""Attention over packed sequences without padding, where responses share the keys of their prompt; flash attention on GPUs."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor, library

from moft import ShapeError
from moft_llm.loading.transformers_logging import quiet
from moft_llm.network.attention.sequence_packing import Packing
from moft_llm.network.attention.unfused_attention import attend_sequentially, sequential_attention_gradients

NAME = "moft"
"""Name of this attention in transformers; without a packing it is `sdpa`."""

_FLASH = (torch.float16, torch.bfloat16)
_MAX_HEAD_WIDTH = 256  # of flash attention


def can_attend_packed(device: torch.device, dtype: torch.dtype, head: int) -> bool:
    """True when flash attention can compute packed sequences, which is faster than padded rows with a mask."""
    return device.type == "cuda" and dtype in _FLASH and head <= _MAX_HEAD_WIDTH and head % 8 == 0 and _has_flash(device)


@cache
def _has_flash(device: torch.device) -> bool:
    """Whether a GPU has the kernels: NVIDIA's from Ampere on."""
    is_built = torch.version.hip is None and torch.backends.cuda.is_flash_attention_available()
    return is_built and torch.cuda.get_device_capability(device) >= (8, 0)


def packed_attention(query: Tensor, key: Tensor, value: Tensor, packing: Packing, scale: float) -> Tensor:
    """`[N, heads, width]`, the attention output.

    On a GPU it is flash attention, in 16 bits; elsewhere one sequence after another, in any precision.

    Args:
        query: `[N, heads, width]`.
        key: `[N, groups, width]`; heads are a multiple of groups.
        value: `[N, groups, width]`.
        packing: of the N tokens.
        scale: of the scores, before their softmax.

    Source: Dao 2023 (FlashAttention-2), through `torch.ops.aten`; sharing the keys of a prompt is moft's own.
    """
    outputs: tuple[Tensor, Tensor] = _attended(query, key, value, *packing, scale)
    return outputs[0]


def install(network: Any) -> bool:
    """Switches a causal model from `sdpa` to `NAME`, which is the same without a packing; True on success."""
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
    """`[batch, time, heads, width]`, for queries `[batch, heads, time, width]`; the interface of transformers."""
    if packing is None:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        outputs: tuple[Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **more
        )
        return outputs
    unsupported = sorted(name for name in ("softcap", "s_aux", "position_bias", "head_mask") if more.get(name) is not None)
    if unsupported or dropout:
        raise ShapeError(f"packed attention does not support {', '.join(unsupported or ['dropout'])}.")
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
    max_queries: int,
    max_keys: int,
    scale: float,
) -> tuple[Tensor, Tensor]:
    """`[N, heads, width]`, and the log-sum-exp of each softmax, `[heads, N]` float32 or wider."""
    packing = Packing(keys, query_starts, key_starts, max_queries, max_keys)
    if not can_attend_packed(query.device, query.dtype, query.shape[-1]):
        with torch.autocast(query.device.type, enabled=False):
            return attend_sequentially(query, key, value, packing, scale)
    query, all_keys, all_values = query.contiguous(), _gather(key, keys), _gather(value, keys)
    outputs = torch.ops.aten._flash_attention_forward(
        query, all_keys, all_values, query_starts, key_starts, max_queries, max_keys, 0.0, True, False, scale=scale
    )
    return outputs[0], outputs[1]


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
    max_queries: int,
    max_keys: int,
    scale: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients for query, key and value."""
    packing = Packing(keys, query_starts, key_starts, max_queries, max_keys)
    if not can_attend_packed(query.device, query.dtype, query.shape[-1]):
        with torch.autocast(query.device.type, enabled=False):
            return sequential_attention_gradients(grad, query, key, value, output, sums, packing, scale)
    query, all_keys, all_values = query.contiguous(), _gather(key, keys), _gather(value, keys)
    state = torch.zeros(2, dtype=torch.uint64, device=query.device)  # of dropout, which is off
    for_query, for_keys, for_values = torch.ops.aten._flash_attention_backward(
        grad.contiguous(), query, all_keys, all_values, output, sums, query_starts, key_starts, max_queries, max_keys, 0.0, True,
        state, state.new_empty(0), scale=scale,
    )  # fmt: skip
    return for_query, _scatter_gradient(for_keys, key, keys), _scatter_gradient(for_values, value, keys)


def _gather(values: Tensor, keys: Tensor | None) -> Tensor:
    return values.contiguous() if keys is None else values.index_select(0, keys)


def _scatter_gradient(grad: Tensor, values: Tensor, keys: Tensor | None) -> Tensor:
    """The gradient of `_gather`: those of the copies, summed in float32."""
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
    for_query, for_key, for_value = (
        torch.empty_like(part, memory_format=torch.contiguous_format) for part in (query, key, value)
    )
    return for_query, for_key, for_value


def _save_for_backward(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    query, key, value, keys, query_starts, key_starts, ctx.max_queries, ctx.max_keys, ctx.scale = inputs
    ctx.mark_non_differentiable(output[1])
    ctx.save_for_backward(query, key, value, *output, keys, query_starts, key_starts)


def _gradients(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
    gradients = _attended_backward(grad, *ctx.saved_tensors, ctx.max_queries, ctx.max_keys, ctx.scale)
    return (*gradients, None, None, None, None, None, None)


_attended.register_autograd(_gradients, setup_context=_save_for_backward)


@_attended.register_vmap
def _(info: Any, in_dims: tuple[int | None, ...], *inputs: Any) -> tuple[Any, Any]:
    """Models side by side: their sequences are concatenated."""
    tokens = [_concatenate(part, dim, info.batch_size) for part, dim in zip(inputs[:3], in_dims[:3], strict=True)]
    packing = _repeat_packing(Packing(*inputs[3:8]), in_dims[3:8], info.batch_size, len(tokens[0]) // info.batch_size)
    output, sums = _attended(*tokens, *packing, inputs[8])
    return (output.unflatten(0, (info.batch_size, -1)), sums.unflatten(1, (info.batch_size, -1))), (0, 1)


@_attended_backward.register_vmap
def _(info: Any, in_dims: tuple[int | None, ...], *inputs: Any) -> tuple[Any, Any]:
    models = info.batch_size
    tokens = [_concatenate(part, dim, models) for part, dim in zip(inputs[:5], in_dims[:5], strict=True)]
    sums = _concatenate(inputs[5], in_dims[5], models, tokens=1)
    packing = _repeat_packing(Packing(*inputs[6:11]), in_dims[6:11], models, len(tokens[0]) // models)
    gradients = _attended_backward(*tokens, sums, *packing, inputs[11])
    return tuple(part.unflatten(0, (models, -1)) for part in gradients), (0, 0, 0)


def _concatenate(values: Tensor, dim: int | None, models: int, tokens: int = 0) -> Tensor:
    """The tokens of all models on one axis, `tokens`."""
    whole = values.unsqueeze(tokens).expand(*values.shape[:tokens], models, *values.shape[tokens:]) if dim is None else values
    return (whole if dim is None else whole.movedim(dim, tokens)).flatten(tokens, tokens + 1)


def _repeat_packing(packing: Packing, dims: tuple[int | None, ...], models: int, tokens: int) -> Packing:
    """The packing of several models, whose tokens are concatenated.

    Raises:
        ShapeError: the models do not share it.
    """
    if any(dim is not None for dim in dims):
        raise ShapeError("models that are computed side by side must share their batch.")
    further = torch.arange(models, device=packing.query_starts.device).unsqueeze(1)
    keys, count = packing.keys, tokens if packing.keys is None else len(packing.keys)

    def starts(ends: Tensor, size: int) -> Tensor:
        return torch.cat([ends[:1], (ends[1:] + further * size).flatten()]).int()

    return packing._replace(
        keys=None if keys is None else (keys + further * tokens).flatten(),
        query_starts=starts(packing.query_starts, tokens),
        key_starts=starts(packing.key_starts, count),
    )
