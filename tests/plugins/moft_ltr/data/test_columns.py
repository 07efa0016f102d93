"""Columns: which are labels, which are inputs, and what labels must be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from moft import ConfigError, DataError
from moft_ltr.data.columns import check_learnable, column_number, input_columns, label_columns, read_labels
from moft_ltr.data.label_transforms import LabelColumn, MainLabel


@pytest.fixture
def data(data_of):
    """Two lists, three features, and labels in columns 4 and 5, of which the data names the last."""
    made = data_of((2, 1, 0.1, 0.2, 0.3, 4, 0), (0, 1, 0.1, 0.5, 0.3, 1, 3), (1, 7, 1, 2, 3, 0, 8), (3, 7, 3, 2, 1, 2, 8))
    return replace(made, labels={"dwell": 5})


def test_a_column_is_found_by_number_and_by_name(data):
    assert [column_number(data, column, "x") for column in (1, 5, "dwell")] == [1, 5, 5]


@pytest.mark.parametrize("column", [0, -1, 6])
def test_a_column_outside_the_file_is_refused(column, data):
    with pytest.raises(DataError, match=rf"data.txt: x: there is no column {column}; the file has columns 1 to 5"):
        column_number(data, column, "x")


def test_a_name_that_the_data_does_not_know_is_refused(data):
    with pytest.raises(DataError, match="x: the data has no label 'clicks'; its labels: dwell"):
        column_number(data, "clicks", "x")


def test_only_a_main_objective_that_is_a_column_has_one(data):
    objectives = {"clicks": LabelColumn(4)}
    assert label_columns(data, objectives, MainLabel()) == {"clicks": 4}
    assert label_columns(data, objectives, None) == {"clicks": 4}
    assert label_columns(data, objectives, MainLabel("dwell")) == {"clicks": 4, "main": 5}


def test_no_label_is_an_input_whether_used_or_only_named(data):
    assert input_columns(data, {"clicks": 4}, exclude=[], features=None).tolist() == [0, 1, 2]
    assert input_columns(data, {"clicks": 2}, exclude=[1], features=None).tolist() == [2, 3]


def test_features_are_taken_as_listed(data):
    assert input_columns(data, {"clicks": 4}, exclude=[], features=[3, 1]).tolist() == [2, 0]


@pytest.mark.parametrize(
    ("labels", "exclude", "features", "error", "message"),
    [
        ({"clicks": 4}, [], [1, 4], ConfigError, "column 4 is the label of 'clicks'; a label cannot be a feature"),
        ({"main": 2}, [], [2], ConfigError, "column 2 is the label of 'main'"),
        ({"clicks": 4}, [], [2, 1, 2], ConfigError, "column 2 is listed twice"),
        ({"clicks": 4}, [1, 2, 3], None, ConfigError, "no input column is left"),
        ({"clicks": 4}, [1], [1], ConfigError, "no input column is left"),
        ({"clicks": 4}, [], [1, 9], DataError, "task.features: there is no column 9"),
        ({"clicks": 4}, [9], None, DataError, "task.exclude: there is no column 9"),
    ],
)
def test_inputs_that_cannot_be_are_refused(labels, exclude, features, error, message, data):
    with pytest.raises(error, match=message):
        input_columns(data, labels, exclude=exclude, features=features)


def test_an_mslr_file_must_leave_out_all_five_label_columns(data_of):
    data = data_of((1, 1, *range(136)), (0, 1, *range(136)))
    used = dict(zip("abc", (134, 135, 136), strict=True))
    with pytest.raises(
        DataError, match=r"132 to 136 are labels, but \[132, 133\] would be inputs. Set task.exclude: \[132, 133\]"
    ):
        input_columns(data, used, exclude=[], features=None)
    assert input_columns(data, used, exclude=[132, 133], features=None).tolist() == list(range(131))
    assert input_columns(data, used, exclude=[], features=[1, 132]).tolist() == [0, 131]


def test_labels_are_read_in_the_order_of_the_objectives_and_transformed(data, whole):
    part = whole(data)
    objectives = {"dwell": LabelColumn("dwell", transform="min-max"), "clicks": LabelColumn(4, transform="log1p")}
    labels, main = read_labels([part], [part.items], objectives, MainLabel())
    expected = np.column_stack([[0, 1, 0, 0], np.log1p([4, 1, 0, 2])])
    torch.testing.assert_close(labels, torch.tensor(expected, dtype=torch.float32))
    assert main.tolist() == [2, 0, 1, 3]
    assert read_labels([part], [part.items], objectives, None)[1].tolist() == [0] * 4


def test_labels_of_some_lists_are_those_lists(data, whole):
    part = replace(whole(data), lists=np.array([1]))
    labels, _ = read_labels([part], [part.items], {"clicks": LabelColumn(4, transform="min-max")}, None)
    assert labels.flatten().tolist() == [0, 1]


def test_a_negative_label_is_told_with_its_list(data_of, whole):
    part = whole(data_of((1, 1, 1, 2), (1, 1, 1, 2), (1, 4, 1, 2), (1, 4, 2, -3)))
    message = r"data.txt:3: column 2 of query qid:4: label -3 of 'clicks' is negative after its transform; .* min-max"
    with pytest.raises(DataError, match=message):
        read_labels([part], [part.items], {"clicks": LabelColumn(2)}, None)
    labels, _ = read_labels([part], [part.items], {"clicks": LabelColumn(2, transform="min-max")}, None)
    assert labels.flatten().tolist() == [0, 0, 1, 0]


def test_a_negative_relevance_is_told_too(data_of, whole):
    part = whole(data_of((1, 1, 1), (-1, 1, 2)))
    with pytest.raises(DataError, match=r"data.txt:1: relevance of query qid:\d+: label -1 of 'main'"):
        read_labels([part], [part.items], {"clicks": LabelColumn(1)}, MainLabel())


def test_a_label_whose_exponential_gain_is_no_number_is_refused(data_of, whole):
    part = whole(data_of((1, 1, 1), (5000, 1, 2)))
    with pytest.raises(DataError, match=r"label 5000 of 'main' is too large for gain: exp2, which is 2\^5000 here"):
        read_labels([part], [part.items], {"clicks": LabelColumn(1)}, MainLabel())
    main = read_labels([part], [part.items], {"clicks": LabelColumn(1)}, MainLabel(gain="linear"))[1]
    assert main.tolist() == [1, 5000]


@pytest.mark.parametrize(
    ("column", "message"),
    [([1, 1, 2, 2, 2], "constant within every query"), ([0, 0, 0, 0, 0], "zero everywhere")],
)
def test_an_objective_that_is_constant_within_every_query_is_refused(column, message):
    labels = torch.stack([torch.tensor([0.0, 1, 0, 0, 0]), torch.tensor(column, dtype=torch.float32)], dim=1)
    lengths = torch.tensor([2, 3])
    with pytest.raises(DataError, match=rf"objective 'b' \(column 7\) is {message} in the training split after its transform"):
        check_learnable(labels, lengths, ["a", "b"], {"a": 6, "b": 7}, "here")
    check_learnable(labels[:, :1], lengths, ["a"], {"a": 6}, "here")


def test_the_logarithm_of_a_negative_label_is_refused_and_not_zero(data_of, whole):
    part = whole(data_of((1, 1, 1, 2), (1, 1, 1, 2), (1, 4, 1, 2), (1, 4, 2, -0.5)))
    for transform in ("log1p", ["log1p", "min-max"], ["log1p", "invert"]):
        with pytest.raises(DataError, match=r"data.txt:3: column 2 of query qid:4: label -0.5 of 'clicks' is negative, so that"):
            read_labels([part], [part.items], {"clicks": LabelColumn(2, transform=transform)}, None)
    labels, _ = read_labels([part], [part.items], {"clicks": LabelColumn(2, transform=["invert", "log1p"])}, None)
    assert labels.flatten().tolist() == pytest.approx([0, 0, 0, np.log(3.5)])


def test_labels_beyond_32_bits_are_refused_and_extreme_ones_are_scaled_right(data_of, whole):
    part = whole(data_of((1, 1, 3e38, 1e20, 1e-25), (1, 1, -3e38, 0, 0), (1, 1, 0, 5e19, 5e-26)))
    scaled = {f"{column}": LabelColumn(column, transform="min-max") for column in (1, 2, 3)}
    labels, _ = read_labels([part], [part.items], scaled, None)
    assert labels.tolist() == [[1, 1, 1], [0, 0, 0], [0.5, 0.5, 0.5]]
    with pytest.raises(DataError, match=r"label -3e\+38 of 'a' is 6e\+38 after its transform, which is no 32-bit number"):
        read_labels([part], [part.items], {"a": LabelColumn(1, transform="invert")}, None)


def test_the_note_on_constant_queries_claims_nothing_about_the_loss():
    labels, lengths = torch.tensor([[0.0], [1], [2], [2]]), torch.tensor([2, 2])
    assert check_learnable(labels, lengths, ["a"], {"a": 6}, "here") == [
        "a: in 1 of 2 training queries all documents have the same label, which says nothing about their order."
    ]


def test_labels_that_32_bits_no_longer_tell_apart_after_their_transform_are_refused(data_of, whole):
    """The logarithms of 1.7e9 and of 4096 more differ in the eighth digit."""
    part = whole(data_of((0, 1, 1_700_000_000), (1, 1, 1_700_004_096), (0, 2, 1_700_000_000), (1, 2, 1_700_000_000)))
    told = r"data.txt:1: column 1 of query qid:1: labels of 'fresh' such as 1.7e\+09 .* 21.2.* 32 bits .*Subtract one number"
    with pytest.raises(DataError, match=told):
        read_labels([part], [part.items], {"fresh": LabelColumn(1, "log1p")}, None)
    labels, _ = read_labels([part], [part.items], {"fresh": LabelColumn(1, "min-max")}, None)
    assert labels.flatten().tolist() == [0, 1, 0, 0]


def test_a_constant_objective_that_may_have_lost_its_digits_says_so():
    with pytest.raises(DataError, match=r"its labels must differ within some query. Lost."):
        check_learnable(torch.ones(2, 1), torch.tensor([2]), ["b"], {"b": 7}, "here", {"b": "Lost."})
