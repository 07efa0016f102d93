"""Empirical attainment surfaces of several fronts: what the best of them, half of them and all of them reach."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from moft.errors import ShapeError

SHARES = {"best": 0.0, "half": 0.5, "all": 1.0}
"""By name, the share of the fronts that attain a surface; best means at least one front."""


def attainment_surfaces(fronts: Sequence[Tensor]) -> dict[str, Tensor]:
    """The empirical attainment surfaces of several fronts in two objectives, by the names of `SHARES`.

    A front attains a point when one of its own points is at least as good on both objectives.

    Args:
        fronts: each `[n, 2]`, larger is better. Rows with a NaN and dominated rows are ignored.

    Returns: for each share, `[k, 2]`: the vertices of its surface, first objective rising, second falling; the surface is
        attained exactly where a vertex is at least as good. Empty where no point is attained by enough fronts.

    Raises:
        ShapeError: a front does not have two objectives.

    Source: Grunert da Fonseca, Fonseca and Hall 2001. Computed by moocore.
    """
    import moocore

    for front in fronts:
        if front.dim() != 2 or front.shape[1] != 2:
            raise ShapeError(f"attainment surfaces need fronts of shape [n, 2], got {list(front.shape)}.")
    points = [front.detach().cpu().double()[~front.isnan().any(1).cpu()] for front in fronts]
    surfaces = {}
    for name, share in SHARES.items():
        least = max(1, -int(-share * len(fronts) // 1))
        filled = [front for front in points if len(front)]
        if least > len(filled):  # a front without points attains nothing
            surfaces[name] = torch.zeros(0, 2, dtype=torch.float64)
            continue
        sets = torch.cat([torch.full((len(front),), float(index)) for index, front in enumerate(filled)])
        percent = 100 * least / len(filled)
        found = moocore.eaf(-torch.cat(filled).numpy(), sets.numpy(), percentiles=[percent])  # it minimises
        vertices = -torch.from_numpy(found)[:, :2]
        surfaces[name] = vertices[vertices[:, 0].argsort()]
    return surfaces
