"""A query of the data as a request holds it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from moft.api import ExampleQuery

if TYPE_CHECKING:
    from moft import BatchScorer


def example_request(example: ExampleQuery, scorer: BatchScorer) -> dict[str, Any]:
    """The query with null for missing values, names of categories, and base scores apart where these are outside of the run."""
    columns = {name: _values(example.rows[:, place], scorer.categories.get(name)) for place, name in enumerate(example.features)}
    outside = columns.pop(scorer.base_scores) if scorer.base_scores is not None else None
    rows = [list(row) for row in zip(*columns.values(), strict=True)]
    return {
        **{"id": example.name, "features": rows},
        **({"items": list(example.items)} if example.items else {}),
        **({} if outside is None else {"base_scores": outside}),
    }


def _values(column: np.ndarray[Any, np.dtype[np.float32]], categories: tuple[str | int, ...] | None) -> list[Any]:
    """Numbers in the fewest digits that give the same 32 bits, or categories; null where one is missing or not known."""
    values = [None if np.isnan(value) else float(str(value)) for value in column]
    if categories is None:
        return values
    return [None if value is None or int(value) >= len(categories) else categories[int(value)] for value in values]
