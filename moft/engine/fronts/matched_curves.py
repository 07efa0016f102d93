"""Curves of what a method reaches over its mean main value, and differences of two of them at the same main values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from moft.engine.fronts.bootstrap import bootstrap_hypervolume, bootstrap_means
from moft.errors import ShapeError

PLACES = 9
"""Main values at which two curves are compared, evenly spaced over those that both reach."""


@dataclass(frozen=True)
class Curve:
    """What a method reaches at several dials, or at several shares of the main objective.

    Args:
        main: `[dials, 1 + samples]`, the mean main value over the points; first of all lists, then of each bootstrap sample.
        heights: `[dials, 1 + samples, k]`, likewise: what is compared, such as the hypervolume.
    """

    main: Tensor
    heights: Tensor


def with_all_lists(counts: Tensor) -> Tensor:
    """`[1 + samples, lists]`: every list once, then the bootstrap samples of `resampled`."""
    return torch.cat([torch.ones_like(counts[:1]), counts])


def curve_of(
    fronts: Sequence[tuple[Tensor, Tensor]],
    counts: Tensor,
    reference: Tensor,
    weights: Tensor | None = None,
    *,
    has_best: bool = True,
) -> Curve:
    """The curve of fronts: the hypervolume, and the best value of each objective over the points.

    Args:
        fronts: of each dial, values `[n, lists, m]` and main values `[n, lists]`.
        counts: `[1 + samples, lists]`, from `with_all_lists`.
        reference: `[m]`, of the hypervolume.
        weights: `[lists]`, how much each list counts; None for equal ones.
        has_best: whether the heights have the best values, too: k is 1 + m, and else 1.
    """
    mains, heights = [], []
    for values, main in fronts:
        mains.append(bootstrap_means(main.unsqueeze(-1), counts, weights).mean((1, 2)))
        volume = bootstrap_hypervolume(values, counts, reference, weights).unsqueeze(-1)
        best = [bootstrap_means(values, counts, weights).amax(1)] if has_best else []
        heights.append(torch.cat([volume, *best], dim=-1))
    return Curve(torch.stack(mains), torch.stack(heights))


def shared_main(one: Curve, other: Curve, places: int = PLACES) -> Tensor:
    """`[places]`, main values that both curves reach, evenly spaced; empty if there is none that both reach."""
    low = max(curve.main[:, 0].min() for curve in (one, other))
    high = min(curve.main[:, 0].max() for curve in (one, other))
    return torch.linspace(float(low), float(high), places, dtype=torch.float64) if low < high else low.new_zeros(0)


def heights_at(curve: Curve, main: Tensor) -> Tensor:
    """`[1 + samples, places, k]`, the heights of a curve at main values `[places]`, linear between its points.

    Beyond the ends of the curve of a sample, the height is that of its end.
    """
    if len(curve.main) < 2:
        raise ShapeError(f"a curve needs at least two points, got {len(curve.main)}.")
    order = curve.main.argsort(0)
    x = curve.main.gather(0, order)  # [dials, s]
    y = curve.heights.gather(0, order.unsqueeze(-1).expand_as(curve.heights))  # [dials, s, k]
    after = (x.unsqueeze(-1) <= main).sum(0).clamp(1, len(x) - 1)  # [s, places], the point above each place

    def taken(which: Tensor) -> tuple[Tensor, Tensor]:
        at = which.T.unsqueeze(-1)  # [places, s, 1]
        heights = y.unsqueeze(0).expand(len(main), -1, -1, -1)
        return x.gather(0, which.T).T, heights.gather(1, at.unsqueeze(1).expand(-1, 1, -1, y.shape[-1])).squeeze(1).transpose(
            0, 1
        )

    (left, low), (right, high) = taken(after - 1), taken(after)
    width = right - left  # [s, places]
    share = torch.where(width > 0, (main - left) / torch.where(width > 0, width, torch.ones_like(width)), torch.zeros_like(width))
    return low + (high - low) * share.clamp(0, 1).unsqueeze(-1)


def differences_at(one: Curve, other: Curve, main: Tensor) -> Tensor:
    """`[1 + samples, places, k]`, the heights of one curve minus those of the other at main values `[places]`."""
    return heights_at(one, main) - heights_at(other, main)
