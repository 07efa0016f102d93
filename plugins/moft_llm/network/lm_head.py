"""Log-probabilities of tokens through the LM head, in chunks, so that `[N, vocabulary]` is never in memory at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from moft import ShapeError

_BYTES = {"cpu": 16 * 2**20}
_BYTES_ELSEWHERE = 256 * 2**20  # larger products fill a GPU
_COLUMNS = 8192  # of a 16-bit head that are converted to float32 at a time, on a CPU


def token_log_probabilities(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    targets: Tensor,
    *,
    softcap: float | None = None,
    rows: int | None = None,
    is_compiled: bool = False,
) -> Tensor:
    """`[N]` float32 (float64 for float64), log-probability of each target; logits are float32 whatever the weights are.

    The gradient for `hidden` is computed in the forward pass, while a chunk's logits are in memory: `W[y] - softmax @ W`. The
    head itself gets no gradient.

    Args:
        hidden: `[N, hidden]`.
        weight: `[vocabulary, hidden]`, frozen.
        bias: `[vocabulary]`, frozen, or None.
        targets: `[N]` int64.
        softcap: logits become `softcap * tanh(logits / softcap)`.
        rows: of a chunk; None keeps its logits near 16 MiB on a CPU and 256 MiB elsewhere.
        is_compiled: True compiles the operations on logits, which then read them fewer times.

    Raises:
        ShapeError: the head is not frozen.
    """
    if weight.requires_grad or (bias is not None and bias.requires_grad):
        raise ShapeError("the LM head must be frozen: token_log_probabilities gives it no gradient.")
    if torch.is_autocast_enabled(hidden.device.type):
        dtype = torch.get_autocast_dtype(hidden.device.type)
        hidden, weight = hidden.to(dtype), weight.to(dtype)
    if rows is None:
        rows = max(16, _BYTES.get(hidden.device.type, _BYTES_ELSEWHERE) // (4 * len(weight)))
    return _apply(hidden, weight, bias, targets, softcap, rows, torch.is_grad_enabled(), is_compiled)[0]


class _Chunked(torch.autograd.Function):
    """The log-probabilities, and their gradient for `hidden`, `[N, hidden]`, which is empty where it is not needed."""

    @staticmethod
    def forward(
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        targets: Tensor,
        softcap: float | None,
        rows: int,
        wanted: bool,
        is_compiled: bool,
    ) -> tuple[Tensor, Tensor]:
        gradient = torch.empty_like(hidden) if wanted and hidden.requires_grad else hidden.new_empty(0, hidden.shape[1])
        with torch.autocast(hidden.device.type, enabled=False):  # the dtypes are already chosen
            return _chunked(hidden, weight, bias, targets, softcap, rows, gradient, is_compiled), gradient

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(output[1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return (gradient * grad.unsqueeze(1)).to(gradient.dtype), None, None, None, None, None, None, None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Any) -> tuple[tuple[Tensor, Tensor], tuple[int, int]]:
        """Models side by side with one head: their rows are concatenated."""
        hidden, weight, bias, targets, softcap, rows, wanted, is_compiled = inputs
        if in_dims[0] is None or any(place is not None for place in in_dims[1:]):
            raise ShapeError("models that are computed side by side must share their head and their targets.")
        hidden = hidden.movedim(in_dims[0], 0)  # [models, N, hidden]
        targets = targets.repeat(len(hidden))
        scores, gradient = _apply(hidden.flatten(0, 1), weight, bias, targets, softcap, rows, wanted, is_compiled)
        models = len(hidden)
        return (scores.view(models, -1), gradient.view(models, -1, hidden.shape[2])), (0, 0)


def _apply(*inputs: Any) -> tuple[Tensor, Tensor]:
    """`_Chunked`, differentiable."""
    outputs: tuple[Tensor, Tensor] = _Chunked.apply(*inputs)  # type: ignore[no-untyped-call]
    return outputs


def _chunked(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    targets: Tensor,
    softcap: float | None,
    rows: int,
    gradient: Tensor,
    is_compiled: bool,
) -> Tensor:
    """`[N]`; fills `gradient`, `[N, hidden]`, if it is not empty. All chunks use one buffer of logits, in place."""
    exact = torch.promote_types(hidden.dtype, torch.float32)
    scores = hidden.new_empty(len(hidden), dtype=exact)
    buffer = hidden.new_empty(min(rows, len(hidden)), len(weight), dtype=exact)
    dtype = weight.dtype if weight.is_cuda else exact
    exponentials = _compiled_exponentials() if is_compiled else _exponentials
    for start in range(0, len(hidden), rows):
        chunk = slice(start, min(start + rows, len(hidden)))
        logits, wanted = buffer[: chunk.stop - chunk.start], targets[chunk].unsqueeze(1)
        _product(hidden[chunk], weight, logits)
        log_probabilities, total, slope, factors = exponentials(logits, wanted, bias, softcap, dtype, len(gradient) > 0)
        scores[chunk] = log_probabilities
        if not len(gradient):
            continue
        target_weights = weight[targets[chunk]].to(exact)  # [rows, hidden]
        if slope is not None:
            target_weights *= slope
        gradient[chunk] = target_weights.addcdiv_(_mixed(factors, weight, exact), total, value=-1)
    return scores


def _exponentials(
    logits: Tensor, wanted: Tensor, bias: Tensor | None, softcap: float | None, dtype: torch.dtype, has_gradient: bool
) -> tuple[Tensor, Tensor, Tensor | None, Tensor]:
    """The softmax of a chunk's logits, `[rows, vocabulary]`, in place.

    Args:
        logits: are overwritten.
        wanted: `[rows, 1]` int64, the tokens.
        bias: of the head.
        softcap: of the head.
        dtype: of the returned exponentials.
        has_gradient: whether the gradient is needed.

    Returns: `[rows]`, log-probabilities of the tokens; `[rows, 1]`, sums of the exponentials; `[rows, 1]`, the slopes of the soft
        cap at the tokens, or None without one; the exponentials in `dtype`, times these slopes.
    """
    if bias is not None:
        logits += bias
    if softcap is not None:
        logits.div_(softcap).tanh_().mul_(softcap)
    slope = 1 - (logits / softcap).square() if softcap is not None and has_gradient else None
    highest = logits.amax(1, keepdim=True)
    target_logits = logits.gather(1, wanted) - highest
    total = logits.sub_(highest).exp_().sum(1, keepdim=True)
    if slope is not None:
        logits *= slope
    factors = logits.to(dtype) if has_gradient else logits
    return (target_logits - total.log()).squeeze(1), total, None if slope is None else slope.gather(1, wanted), factors


@cache
def _compiled_exponentials() -> Callable[..., tuple[Tensor, Tensor, Tensor | None, Tensor]]:
    """`_exponentials`, compiled once for all shapes."""
    return torch.compile(_exponentials, dynamic=True)


def _product(hidden: Tensor, weight: Tensor, out: Tensor) -> None:
    """`hidden @ weight.T` into `out`, with float32 sums of 16-bit factors."""
    if weight.dtype == out.dtype == hidden.dtype:
        torch.mm(hidden, weight.t(), out=out)
    elif hidden.is_cuda and weight.dtype == hidden.dtype:
        torch.mm(hidden, weight.t(), out_dtype=out.dtype, out=out)
    else:
        hidden = hidden.to(out.dtype)
        for columns, part in zip(torch.split(out, _COLUMNS, 1), torch.split(weight, _COLUMNS), strict=True):
            columns.copy_(hidden @ part.to(out.dtype).t())


def _mixed(factors: Tensor, weight: Tensor, dtype: torch.dtype) -> Tensor:
    """`factors @ weight`, `[rows, hidden]`, in `dtype`."""
    if weight.dtype == dtype:
        return factors @ weight
    if weight.is_cuda:
        return torch.mm(factors, weight, out_dtype=dtype)
    parts = zip(torch.split(factors, _COLUMNS, 1), torch.split(weight, _COLUMNS), strict=True)
    return torch.stack([columns @ part.to(dtype) for columns, part in parts]).sum(0)
