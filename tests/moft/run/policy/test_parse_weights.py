"""Weights and betas as a user writes them."""

from __future__ import annotations

import pytest
import torch

from moft.errors import ConfigError, DataError
from moft.run.policy.parse_weights import (
    checked_dial,
    dial_from_json,
    parse_dial,
    parse_dials,
    parse_weights,
    read_weights_file,
    tradeoff_at,
    weights_from_json,
)
from moft.types import Nouns

NAMES = ("clicks", "dwell", "quality")


@pytest.mark.parametrize(
    ("text", "weights"),
    [
        ("0.2,0.3,0.5", [0.2, 0.3, 0.5]),
        (" 1 , 0,0 ", [1.0, 0.0, 0.0]),
        ("quality=0.5, clicks=0.5", [0.5, 0.0, 0.5]),
        ("dwell=1", [0.0, 1.0, 0.0]),
    ],
)
def test_weights_are_read_in_order_or_by_name(text, weights):
    assert parse_weights(text, NAMES) == weights


MISTAKES = {
    "0.2,0.3": "2 values for 3 objectives: clicks, dwell, quality",
    "1,0,0,0": "4 values for 3 objectives",
    "": "'' is not a number",
    "0.5,half,0": "'half' is not a number",
    "0.5,0.5,0.5": "weights must sum to 1",
    "1.5,-0.5,0": "weights must be finite and not negative",
    "nan,0.5,0.5": "'nan' is not a number",
    "inf,0,0": "'inf' is not a number",
    "1e999,0,0": "weights must be finite and not negative",
    "1_0,0,0": "'1_0' is not a number",
    "\u0661,0,0": "'\u0661' is not a number",
    "clicks=0x1": "'0x1' is not a number",
    "click=1": "'click' is not an objective. Did you mean 'clicks'? Objectives: clicks, dwell, quality.",
    "clicks=0.5,clicks=0.5": "'clicks' is given twice.",
    "clicks=0.5,0.5": "'0.5' is not of the form objective=weight.",
    "clicks=half,dwell=0.5": "'half' is not a number",
    "clicks=0.5,dwell=0.4": "weights must sum to 1",
}


@pytest.mark.parametrize(("text", "told"), MISTAKES.items())
def test_a_mistake_in_weights_is_told_in_one_line(text, told):
    with pytest.raises(ConfigError) as error:
        parse_weights(text, NAMES)
    assert str(error.value).startswith(f"--weights {text!r}: ")
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_has_a_row_for_each_list(tmp_path):
    path = tmp_path / "weights.jsonl"
    path.write_text("[1, 0, 0]\n[0.25, 0.25, 0.5]\n")
    assert read_weights_file(path, NAMES) == [[1.0, 0.0, 0.0], [0.25, 0.25, 0.5]]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("0.5, 0.5", "'0.5, 0.5' is not JSON (Extra data); a line is the weights of one list, such as [0.2, 0.8]."),
        ("", "'' is not JSON (Expecting value)"),
        ("1" * 5000, "is not JSON that can be read (a number of more than 4,300 digits)"),
        ("[" * 100_000, "is not JSON that can be read (nested deeper than 100 levels)"),
        (f"[{10**400}, 0, 0]", "weights must be finite and not negative"),
        (f"[{-(10**400)}, 0, 0]", "weights must be finite and not negative"),
        ("[0.5, 0.5]", "'[0.5, 0.5]' is not an array of 3 weights, one for each of clicks, dwell, quality"),
        ('{"clicks": 1}', "is not an array of 3 weights"),
        ('[1, "0", 0]', "is not an array of 3 weights"),
        ("[true, false, false]", "is not an array of 3 weights"),
        ("[0.5, 0.5, 0.5]", "weights must sum to 1"),
        ("[2, -1, 0]", "weights must be finite and not negative"),
        ("[NaN, 0, 1]", "weights must be finite and not negative"),
    ],
)
def test_a_mistake_in_a_file_names_its_line(line, told, tmp_path):
    path = tmp_path / "weights.jsonl"
    path.write_text(f"[1, 0, 0]\n{line}\n[0, 1, 0]\n")
    with pytest.raises(DataError) as error:
        read_weights_file(path, NAMES)
    assert str(error.value).startswith(f"{path}:2: ")
    assert told in str(error.value)


def test_blank_lines_at_the_end_of_a_file_are_skipped(tmp_path):
    path = tmp_path / "weights.jsonl"
    path.write_text("[1, 0, 0]\n \n\n")
    assert read_weights_file(path, NAMES) == [[1.0, 0.0, 0.0]]


def test_a_line_that_is_not_json_is_told_in_the_nouns_of_the_task(tmp_path):
    path = tmp_path / "weights.jsonl"
    path.write_text("0.5, 0.5")
    with pytest.raises(DataError, match="a line is the weights of one query, such as"):
        read_weights_file(path, NAMES, Nouns("query", "document"))


def test_a_file_that_cannot_be_read_is_told(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_weights_file(tmp_path / "gone", NAMES)


@pytest.mark.parametrize("dial", [0.0, -1.0, float("nan")])
def test_a_temperature_must_be_positive(dial):
    with pytest.raises(ConfigError, match=r"--dial .*: must be above 0; 1 is as trained"):
        checked_dial(dial)


@pytest.mark.parametrize("dial", [1e-44, 1e39, 1e300, float("inf")])
def test_a_temperature_that_scores_cannot_hold_is_refused(dial):
    with pytest.raises(ConfigError, match=r"--dial .*: must be between 1e-12 and 1e\+12"):
        checked_dial(dial)


def test_a_byte_order_mark_at_the_start_of_a_file_changes_nothing(tmp_path):
    path = tmp_path / "weights.jsonl"
    path.write_bytes(b"\xef\xbb\xbf[1, 0, 0]\r\n")
    assert read_weights_file(path, NAMES) == [[1.0, 0.0, 0.0]]


def test_temperatures_are_multiples_of_the_trained_ones():
    trained = torch.tensor([[0.5, 1.0, 2.0]])
    found = tradeoff_at([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], [[2.0, 2.0, 3.0]], trained)
    assert found.betas.tolist() == [[1.0, 2.0, 6.0]]
    assert found.weights.tolist() == [[1, 0, 0], [0, 0, 1]]


@pytest.mark.parametrize(
    ("text", "factors"),
    [
        ("2", [2.0, 2.0, 2.0]),
        ("1,3,0.5", [1.0, 3.0, 0.5]),
        (" 1 , 3,1e-1 ", [1.0, 3.0, 0.1]),
        ("dwell=3", [1.0, 3.0, 1.0]),
        ("quality=0.5, clicks=2", [2.0, 1.0, 0.5]),
    ],
)
def test_temperatures_are_one_number_or_one_for_each_objective_in_order_or_by_name(text, factors):
    assert parse_dial(text, NAMES) == factors


WRONG_TEMPERATURES = {
    "hot": "--dial 'hot': 'hot' is not a number.",
    "": "--dial '': '' is not a number.",
    "1,3": "--dial '1,3': 2 values for 3 objectives: clicks, dwell, quality.",
    "1,x,3": "--dial '1,x,3': 'x' is not a number.",
    "click=2": "--dial 'click=2': 'click' is not an objective. Did you mean 'clicks'? Objectives: clicks, dwell, quality.",
    "clicks=2,clicks=3": "--dial 'clicks=2,clicks=3': 'clicks' is given twice. Objectives: clicks, dwell, quality.",
    "clicks=2,3": "--dial 'clicks=2,3': '3' is not of the form objective=dial. Objectives: clicks, dwell, quality.",
    "1,0,1": "--dial 0: must be above 0; 1 is as trained, larger moves towards the base model.",
    "dwell=-2": "--dial -2: must be above 0; 1 is as trained, larger moves towards the base model.",
    "1,nan,1": "--dial '1,nan,1': 'nan' is not a number.",
    "1_0": "--dial '1_0': '1_0' is not a number.",
    "1,1e13,1": "--dial 1e+13: must be between 1e-12 and 1e+12; scores have 32 bits.",
}


@pytest.mark.parametrize(("text", "told"), WRONG_TEMPERATURES.items())
def test_a_mistake_in_temperatures_is_told_in_one_line(text, told):
    with pytest.raises(ConfigError) as error:
        parse_dial(text, NAMES)
    assert str(error.value) == told


def test_several_dials_are_sorted_and_each_is_written_as_a_single_one():
    assert parse_dials(["4", "0.5", "dwell=3"], NAMES) == [[0.5, 0.5, 0.5], [1.0, 3.0, 1.0], [4.0, 4.0, 4.0]]


WRONG_DIALS = {
    ("1", "1.0"): "--dial 1: is given twice; give each dial once.",
    ("1", "0.5,2"): "--dial '0.5,2': 2 values for 3 objectives: clicks, dwell, quality. For several dials, give each by itself: "
    "--dial 0.5 --dial 2.",
    ("1", "0"): "--dial 0: must be above 0; 1 is as trained, larger moves towards the base model.",
}


@pytest.mark.parametrize(("given", "told"), WRONG_DIALS.items())
def test_a_mistake_in_several_dials_is_told_in_one_line(given, told):
    with pytest.raises(ConfigError) as error:
        parse_dials(given, NAMES)
    assert str(error.value) == told


def test_an_entry_of_a_file_has_weights_in_order_or_by_name_and_a_temperature():
    assert weights_from_json([0.25, 0.25, 0.5], NAMES, "a:1") == [0.25, 0.25, 0.5]
    assert weights_from_json({"quality": 1}, NAMES, "a:1") == [0.0, 0.0, 1.0]
    assert dial_from_json(2, NAMES, "a:1") == [2.0, 2.0, 2.0]
    assert dial_from_json([1, 2, 3], NAMES, "a:1") == [1.0, 2.0, 3.0]
    assert dial_from_json({"dwell": 3}, NAMES, "a:1") == [1.0, 3.0, 1.0]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ([0.5, 0.5], "weights [0.5, 0.5] must be 3 numbers, one for each of clicks, dwell, quality."),
        ({"click": 1}, "weights: 'click' is not an objective. Did you mean 'clicks'? Objectives: clicks, dwell, quality."),
        ({"clicks": "1"}, 'weights ["1", 0.0, 0.0] must be 3 numbers'),
        ([True, False, False], "must be 3 numbers"),
        ("0.2,0.3,0.5", 'weights "0.2,0.3,0.5" must be 3 numbers'),
        ([0.5, 0.5, 0.5], "weights must sum to 1"),
        ([2, -1, 0], "weights must be finite and not negative"),
        ([10**400, 0, 0], "weights must be finite and not negative"),
        ({"dwell": 10**400}, "weights must be finite and not negative"),
    ],
)
def test_a_mistake_in_the_weights_of_an_entry_names_where_it_is(value, told):
    with pytest.raises(DataError) as error:
        weights_from_json(value, NAMES, "asked.jsonl:3")
    assert str(error.value).startswith("asked.jsonl:3: ")
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0, "dial 0 must be between 1e-12 and 1e+12"),
        ([1, float("nan"), 1], "dial nan must be between"),
        ([1, 2], "dial [1, 2] must be 3 numbers"),
        ("2", 'dial "2" must be 3 numbers'),
        (None, "dial null must be 3 numbers"),
        (10**400, "dial inf must be between 1e-12 and 1e+12"),
        ([1, -(10**400), 1], "dial -inf must be between 1e-12 and 1e+12"),
    ],
)
def test_a_mistake_in_the_temperature_of_an_entry_names_where_it_is(value, told):
    with pytest.raises(DataError) as error:
        dial_from_json(value, NAMES, "asked.jsonl:3")
    assert str(error.value).startswith("asked.jsonl:3: ")
    assert told in str(error.value)
