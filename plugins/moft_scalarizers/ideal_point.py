"""The ideal point of a scalarizer: subtracts the lowest possible loss of each objective."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from moft import ConfigError


def excess(losses: Tensor, ideal: Sequence[float] | None) -> Tensor:
    """`[batch, m]`, losses minus the ideal point; negative where a loss is below it.

    Args:
        losses: `[batch, m]`.
        ideal: m numbers, or None for zeros.

    Raises:
        ConfigError: the ideal point does not have m numbers.
    """
    if ideal is None:
        return losses
    m = losses.shape[-1]
    if len(ideal) != m:
        raise ConfigError(
            f"[method.scalarizer.ideal] has length {len(ideal)} for {m} objectives; give one number for each, in their order, or "
            "null."
        )
    return losses - losses.new_tensor(ideal)
