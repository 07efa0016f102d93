"""Where base scores come from, and a reader of arrays that says so, to compute scores without moft."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from moft.api import ArrayReader, ReferenceTrees
from moft_ltr.data.features.network_inputs import NetworkInputs
from moft_ltr.network.list_transformer import Ranker


@dataclass(frozen=True, eq=False)
class BaseSource:
    """What gives the raw base scores: a network, or trees, or with neither, the column after the inputs.

    Args:
        mean: of raw scores, which is subtracted; for trees it is in their shift.
        deviation: of raw scores, which they are divided by then; for trees it is in their factor.
        network: that reads the inputs.
        trees: that read all columns.
    """

    mean: float
    deviation: float
    network: Ranker | None = None
    trees: ReferenceTrees | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class RankerReader(ArrayReader):
    """Reads arrays of a ranking task.

    Args:
        columns: of the data, from 0, that an array has.
        inputs: how many columns are inputs; these are the first.
        network: what a network reads of them.
        base: gives the source of the base scores.
    """

    columns: Sequence[int]
    inputs: int
    network: NetworkInputs
    base: Callable[[], BaseSource]
