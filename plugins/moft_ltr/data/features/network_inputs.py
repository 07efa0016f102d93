"""What a network reads of the features: scaled numbers, indicators of missing values, and codes of categories."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moft_ltr.data.features.feature_scaling import FeatureScaling, Floats
from moft_ltr.data.readers.table_columns import Layout

Integers = NDArray[np.int64]


def network_inputs(scaling: FeatureScaling, columns: Integers, layout: Layout | None) -> NetworkInputs:
    """What a network reads of columns of data.

    Args:
        scaling: of the columns.
        columns: `[features]`, from 0, of the data.
        layout: of the data; None where its columns have no names.
    """
    names = () if layout is None else tuple(layout.names[column] for column in columns)
    known = {} if layout is None else layout.categories
    sizes = {place: len(known[name]) for place, name in enumerate(names) if name in known}
    return NetworkInputs(scaling, np.setdiff1d(scaling.missing, list(sizes)), sizes)


@dataclass(frozen=True, eq=False)
class NetworkInputs:
    """Turns features as they are in the data into inputs of a network.

    A number that is missing counts as the mean, and where its column had missing ones in training, an indicator says so, whose
    weights the network learns. A category that is missing, or that training did not have, has the code 0.

    Args:
        scaling: of all columns.
        missing: the columns, from 0, that have an indicator.
        categories: number of categories of each categorical column, by its place from 0.
    """

    scaling: FeatureScaling
    missing: Integers
    categories: dict[int, int]

    @property
    def numbers(self) -> list[int]:
        """The columns, from 0, that hold numbers."""
        return [place for place in range(len(self.scaling.mean)) if place not in self.categories]

    @property
    def width(self) -> int:
        """Number of scaled numbers and indicators."""
        return len(self.numbers) + len(self.missing)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of codes of each categorical column, that of unknown ones included."""
        return tuple(count + 1 for count in self.categories.values())

    def features(self, block: Floats) -> Floats:
        """`[items, width]`, of features `[items, columns]`."""
        scaled = self.scaling(block)
        if len(self.numbers) < block.shape[1]:
            scaled = scaled[:, self.numbers]
        return np.hstack([scaled, np.isnan(block[:, self.missing])], dtype=np.float32) if len(self.missing) else scaled

    def codes(self, block: Floats) -> Integers:
        """`[items, categorical]`, from 0 for unknown categories, of features `[items, columns]`."""
        codes = np.nan_to_num(block[:, list(self.categories)], nan=-1.0).astype(np.int64) + 1
        codes[codes >= np.array(self.sizes)] = 0
        return codes
