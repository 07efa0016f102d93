"""Labels from values of a row: ratings, ranks and margins, and what is refused."""

from __future__ import annotations

import pytest

from moft import ConfigError, DataError
from moft_llm.data.files.file_formats import Row
from moft_llm.data.readers.mapping.label_mapping import LabelColumn


def labels(found, count=None, **settings):
    given = found if isinstance(found, list) else [found]
    return LabelColumn("v", **settings).labels("good", Row("f:1", {"v": found}), len(given) if count is None else count)


def test_ratings_may_be_text_and_have_a_sign():
    assert labels(["4", " 1.5 ", None, True]) == (4.0, 1.5, None, 1.0)
    assert labels([4, -1], sign=-1) == (-4.0, 1.0)
    assert labels(["N/A", 3, 1.0, "x"], values={"N/A": None, "3": 9, "1": 5, "x": 2}) == (None, 9.0, 5.0, 2.0)


def test_a_list_of_paths_takes_numbers_too():
    row = Row("f:1", {"a": {"s": 3}, "b": "2"})
    assert LabelColumn(["a.s", "b", 0.5]).labels("good", row, 3) == (3.0, 2.0, 0.5)
    assert LabelColumn(["a.s", "none"], optional=True).labels("good", row, 2) == (3.0, None)


@pytest.mark.parametrize("path", ["none", "none[*].s", "null"])
def test_an_optional_list_that_is_not_there_labels_no_response(path):
    row = Row("f:1", {"null": None})
    assert LabelColumn(path, optional=True).labels("good", row, 3) == (None, None, None)
    with pytest.raises(DataError, match=r"^f:1: "):
        LabelColumn(path).labels("good", row, 3)


@pytest.mark.parametrize(
    ("ranks", "found"),
    [
        ([1, 3, 2], (2, 0, 1)),
        ([0, 1, 2], (2, 1, 0)),
        ([1, 1, 2], (1, 1, 0)),
        ([1, 1, 3], (1, 1, 0)),
        ([1.5, 1.5, 3], (1, 1, 0)),
        ([2, 2, 3], (1, 1, 0)),
        (["2", None, "1"], (0, None, 1)),
    ],
)
def test_a_rank_is_the_number_of_responses_below(ranks, found):
    assert labels(ranks, kind="rank") == found


@pytest.mark.parametrize("ranks", [[1, 2, 4], [2, 3, 4], [1, 1, 4], [1, 2, 2.5]])
def test_ranks_with_gaps_are_refused(ranks):
    with pytest.raises(DataError, match=r"^f:1: label 'good' has the ranks .*; ranks start at 1 or 0, and have no gaps"):
        labels(ranks, kind="rank")


def test_a_margin_goes_to_the_better_response():
    assert labels(2, 2, kind="margin") == (2.0, 0.0)
    assert labels(2, 2, kind="margin", sign=-1) == (0.0, 2.0)
    assert labels(0, 2, kind="margin") == (0.0, 0.0)
    assert labels(None, 2, kind="margin") == (None, None)
    assert labels("tie", 2, kind="margin", values={"tie": 0, "a": 1, "b": -1}) == (0.0, 0.0)
    assert labels([1, 0, -1], 3, kind="margin") == (1.5, 0.0, 1.5)  # wins minus losses: 1, -2, 1


@pytest.mark.parametrize(
    ("values", "count", "settings", "says"),
    [
        (["N/A"], 1, {}, r"v \(1\) is 'N/A', which is no number\. Say in values .* values: \{N/A: null\} for no label\.$"),
        ([1, 6], 2, {"range": (1, 5)}, r"v \(2\) is 6, which is out of the range from 1 to 5\.$"),
        ([1, 2, 3], 2, {}, r"label 'good' has 3 values for 2 responses; a rating needs one for each response, so 2\.$"),
        (
            1,
            3,
            {"kind": "margin"},
            r"label 'good' has 1 value for 3 responses; a margin needs one for every two responses, so 3\.$",
        ),
        ([[1]], 1, {}, r"v \(1\) is \[1\]; it must be a finite number"),
        (
            [10**400],
            1,
            {"values": {"x": 1}},
            r"v \(1\) is 1000000000000000000000000000000000000000\.\.\.; it must be a finite number",
        ),
        (["1e999"], 1, {}, r"v \(1\) is inf; it must be a finite number"),
    ],
)
def test_what_is_no_label_is_one_line(values, count, settings, says):
    with pytest.raises(DataError, match=rf"^f:1: {says}"):
        labels(values, count, **settings)


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(ConfigError, match=r"sign: -1 has no effect on ranks"):
        LabelColumn("v", kind="rank", sign=-1)
    with pytest.raises(ConfigError, match=r"range \[5, 1\] must have the lowest value first"):
        LabelColumn("v", range=(5, 1))
    with pytest.raises(ConfigError, match=r"'v\[' is no path"):
        LabelColumn("v[")
