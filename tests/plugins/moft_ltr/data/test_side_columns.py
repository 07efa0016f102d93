"""Columns of weights, segments and propensities: what they become, and values that are refused by their place."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from moft import ConfigError, DataError
from moft_ltr.data.side_columns import MOST_SEGMENTS, Propensity, SideColumns, read_side_columns


def rows(weights=(2, 2, 6, 6), segments=(1, 1, 3, 3), seen=(0.5, 1, 0.001, 0.25)):
    """Two queries of two documents: a feature, a weight, a segment and a propensity."""
    return [(0, qid, 1, *row) for qid, row in zip((7, 7, 9, 9), zip(weights, segments, seen, strict=True), strict=True)]


def read(data_of, whole, columns, rows):
    return read_side_columns([whole(data_of(*rows))], columns, ["clicks", "price"])


def test_queries_have_their_weights_and_segments(data_of, whole):
    found = read(data_of, whole, SideColumns(2, 3), rows())
    assert found.lists.tolist() == [2, 6]
    assert found.segments == ("1", "3")
    assert found.items is None
    assert found.relative.tolist() == [0.5, 1.5]


def test_without_columns_there_is_nothing(data_of, whole):
    found = read(data_of, whole, SideColumns(), rows())
    assert (found.lists, found.items, found.segments, found.attributes) == (None, None, (), {})


def test_documents_have_their_attributes(data_of, whole):
    found = read(data_of, whole, SideColumns(attributes={"shop": 3}), rows())
    assert found.attributes["shop"].tolist() == [1, 1, 3, 3]


def test_documents_have_clipped_inverse_propensities_for_the_objectives_that_ask(data_of, whole):
    found = read(data_of, whole, SideColumns(propensity=Propensity(4, clip=0.1, objectives=["clicks"])), rows())
    assert_close(found.items, torch.tensor([[2.0, 1.0], [1.0, 1.0], [10.0, 1.0], [4.0, 1.0]]))
    normal = read(data_of, whole, SideColumns(propensity=Propensity(4, clip=0.1, self_normalised=True)), rows())
    assert_close(normal.items[:, 0], torch.tensor([4 / 3, 2 / 3, 20 / 14, 8 / 14]))
    assert normal.items[:, 1].equal(normal.items[:, 0])


PLACE = r"data.txt:\d+: column {column} of document {document} of query qid:{query} is {value}; \[{setting}\] must be {allowed}"
FAULTS = {
    "a propensity of zero": (
        {"seen": (0.5, 0, 1, 1)},
        SideColumns(propensity=Propensity(4)),
        (4, 2, 7, "0", "task.propensity.column", "above 0 and at most 1"),
    ),
    "a propensity above one": (
        {"seen": (0.5, 1, 1.5, 1)},
        SideColumns(propensity=Propensity(4)),
        (4, 1, 9, "1.5", "task.propensity.column", "above 0 and at most 1"),
    ),
    "a negative weight": (
        {"weights": (2, 2, -6, -6)},
        SideColumns(query_weight=2),
        (2, 1, 9, "-6", "task.query_weight", "0 or more"),
    ),
    "weights that differ within a query": (
        {"weights": (2, 3, 6, 6)},
        SideColumns(query_weight=2),
        (2, 2, 7, "3", "task.query_weight", "the same for all documents of a query"),
    ),
    "segments that differ within a query": (
        {"segments": (1, 1, 3, 4)},
        SideColumns(segment=3),
        (3, 2, 9, "4", "task.segment", "the same for all documents of a query"),
    ),
}


@pytest.mark.parametrize(("change", "columns", "place"), FAULTS.values(), ids=FAULTS)
def test_a_value_that_cannot_be_used_is_refused_by_its_place(change, columns, place, data_of, whole):
    names = ("column", "document", "query", "value", "setting", "allowed")
    with pytest.raises(DataError, match=PLACE.format(**dict(zip(names, place, strict=True)))):
        read(data_of, whole, columns, rows(**change))


def test_queries_that_all_weigh_nothing_are_refused(data_of, whole):
    with pytest.raises(DataError, match=r"\[task.query_weight\] the weight of every query is 0"):
        read(data_of, whole, SideColumns(query_weight=2), rows(weights=(0, 0, 0, 0)))


def test_too_many_segments_are_refused(data_of, whole):
    many = [(0, qid, 1, qid) for qid in range(MOST_SEGMENTS + 1) for _ in range(2)]
    with pytest.raises(DataError, match=r"\[task.segment\] has 101 different values; a report shows at most 100 segments"):
        read(data_of, whole, SideColumns(segment=2), many)


def test_a_propensity_of_an_unknown_objective_is_refused():
    with pytest.raises(
        ConfigError, match=r"\[task.propensity.objectives\] there is no objective 'dwell'; there are clicks, price"
    ):
        SideColumns(propensity=Propensity(4, objectives=["dwell"])).check(["clicks", "price"])
