"""The indicator `hypervolume`: the volume that a front dominates above a reference point."""

from __future__ import annotations

from torch import Tensor

from moft import ConfigError
from moft.api import hypervolume


class Hypervolume:
    """Volume that the front dominates above the reference point; larger is better.

    Args:
        reference: the reference point, one entry for each objective, in its unit; null for the origin. Only hypervolumes with the
            same reference point can be compared.

    Source: Zitzler and Thiele 1998, section 4.
    """

    name = "hypervolume"

    def __init__(self, *, reference: list[float] | None = None) -> None:
        above = "the origin" if reference is None else f"the point ({', '.join(f'{entry:g}' for entry in reference)})"
        self.meaning = f"volume dominated above {above}, in the product of the objectives' units; larger is better"
        self._reference = reference

    def __call__(self, points: Tensor, weights: Tensor) -> float:
        m = points.shape[1]
        if self._reference is None:
            return hypervolume(points, points.new_zeros(m))
        if len(self._reference) != m:
            raise ConfigError(
                f"[indicator] 'hypervolume': reference has {len(self._reference)} entries; "
                f"it needs one for each of the {m} objectives."
            )
        return hypervolume(points, points.new_tensor(self._reference))
