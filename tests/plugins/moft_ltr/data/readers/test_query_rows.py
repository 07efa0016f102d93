"""Queries in blocks of rows: ids, and what is refused with its row."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from moft import DataError
from moft_ltr.data.dataset import frame_dataset
from moft_ltr.data.readers.table_columns import TableColumns

GOOD = {"query": ["a", "a", "b", "b", "b", "c"], "item": [1, 2, 1, 2, 3, 1], "split": ["train"] * 5 + ["dev"], "f": range(6)}


def read(blocks=1, **change):
    frame = pd.DataFrame(GOOD | change)
    size = -(-len(frame) // blocks)
    parts = [frame[at : at + size] for at in range(0, len(frame), size)]
    return frame_dataset(parts, TableColumns(split="split"))


@pytest.mark.parametrize("blocks", [1, 2, 3, 6])
@pytest.mark.parametrize("query", [GOOD["query"], [7, 7, -3, -3, -3, 2**60]])
def test_blocks_do_not_matter(blocks, query):
    data = read(blocks, query=query)
    assert (data.qids.tolist(), data.offsets.tolist()) == (list(dict.fromkeys(query)), [0, 2, 5, 6])
    assert data.facts.items.tolist() == GOOD["item"]
    assert data.facts.splits.tolist() == [0, 0, 1]


@pytest.mark.parametrize("blocks", [1, 2, 3, 6])
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"query": ["a", "a", "b", "b", "a", "c"]}, "row 5: query 'a' appears again, after other queries; all rows of a query"),
        ({"query": [1, 1, 2, 2, 1, 3]}, "row 5: query 1 appears again"),
        ({"query": ["a", "a", "b", None, "b", "c"]}, "row 4: column 'query' has no id of the query"),
        ({"item": [1, 2, 1, 2, 1, 1]}, "row 5: item 1 is in its query twice"),
        ({"item": ["x", "y", "x", "y", "x", "x"]}, "row 5: item 'x' is in its query twice"),
        ({"item": ["x", "y", "", "y", "z", "x"]}, "row 3: column 'item' has no id of the document"),
        ({"split": ["train"] * 4 + ["test", "dev"]}, "row 5: column 'split' puts this row into test, but .* before into train"),
        (
            {"split": ["train"] * 3 + ["trian"] * 2 + ["dev"]},
            "row 4: column 'split' holds 'trian', which is no split; write one of",
        ),
    ],
)
def test_a_row_that_breaks_a_rule_is_named(blocks, change, expected):
    with pytest.raises(DataError, match=expected):
        read(blocks, **change)


@pytest.mark.parametrize("values", [[0.5, 1, 1, 1, 1, 1], pd.date_range("2020-01-01", periods=6)])
def test_ids_are_integers_or_texts(values):
    with pytest.raises(DataError, match=r"column 'query' holds .*, but ids of a query are integers or texts"):
        read(query=values)


def test_integers_above_64_bits_with_a_sign_are_texts():
    assert read(query=np.array([2**63] * 2 + [5] * 3 + [6], dtype=np.uint64)).qids.tolist()[0] == str(2**63)


@pytest.mark.parametrize("column", ["query", "item"])
def test_ids_that_are_integers_and_then_texts_are_refused(column):
    one = {"query": [1], "item": [1], "f": [1.0]}
    with pytest.raises(DataError, match=rf"row 2: column '{column}' holds .*string, but int64 before"):
        frame_dataset([one, one | {"query": [2], column: ["x"]}])
