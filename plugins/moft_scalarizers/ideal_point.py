"""The reference point of a scalarizer: how far each loss lies above the best that it could be."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from moft import ConfigError


def excess(losses: Tensor, ideal: Sequence[float] | None) -> Tensor:
    """`[batch, m]`, losses less the reference point; negative where a loss lies below it.

    Args:
        losses: `[batch, m]`.
        ideal: m numbers, or None for zeros.

    Raises:
        ConfigError: the reference point is not of m numbers.
    """
    if ideal is None:
        return losses
    m = losses.shape[-1]
    if len(ideal) != m:
        raise ConfigError(
            f"[method.scalarizer.ideal] has length {len(ideal)}, and there are {m} objectives; it needs one number for each, in "
            "their order, or null."
        )
    return losses - losses.new_tensor(ideal)
