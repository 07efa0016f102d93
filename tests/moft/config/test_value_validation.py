"""Plain values: one line for each mistake."""

from __future__ import annotations

import pytest

from moft.config.value_validation import validated
from moft.setting_types import PathOrName, Positive


def test_a_mistake_inside_of_what_is_allowed_is_told_alone():
    _, _, mistakes = validated(Positive | list[Positive], [1, -1], "a")
    assert mistakes == ["a.1: must be greater than 0, got -1."]


def test_what_fits_no_alternative_is_told_with_all_of_them():
    _, _, mistakes = validated(Positive | list[Positive], "much", "a")
    assert mistakes == ["a: must be a number or a list, got 'much'."]


@pytest.mark.parametrize("given", [float("inf"), float("-inf"), float("nan")])
def test_a_number_must_be_finite(given):
    _, _, mistakes = validated(float, given, "a")
    assert len(mistakes) == 1
    assert mistakes[0].startswith("a: must be finite")


def test_a_place_is_found_from_the_folder_that_a_run_began_in(tmp_path):
    (tmp_path / "tiny").mkdir()
    for given in ("tiny", "./tiny"):
        found, plain, _ = validated(PathOrName | None, given, "a", [tmp_path])
        assert found == plain == str(tmp_path / "tiny")


@pytest.mark.parametrize("given", ["owner/model", "smollm2", "", " ", "/nowhere", "~/x", "a" * 5000, "nul\0"])
def test_a_place_that_is_not_there_is_a_name_and_stays(given, tmp_path):
    assert validated(PathOrName, given, "a", [tmp_path]) == (given, given, [])


def test_a_place_stays_as_it_is_written_while_nothing_is_opened(tmp_path, monkeypatch):
    (tmp_path / "tiny").mkdir()
    monkeypatch.chdir(tmp_path)
    assert validated(PathOrName, "./tiny", "a") == ("./tiny", "./tiny", [])


@pytest.mark.parametrize(
    ("annotation", "given"), [(int, "1_0"), (float, "1_0.5"), (list[int], ["1_0"]), (dict[str, float], {"a": "1_0"})]
)
def test_a_text_that_is_no_decimal_number_is_no_number(annotation, given):
    found, _, mistakes = validated(annotation, given, "p")
    assert len(mistakes) == 1, found
    assert mistakes[0].endswith(("must be a whole number, got '1_0'.", "number, got '1_0'.", "must be a number, got '1_0.5'."))


def test_a_decimal_number_in_quotes_is_one():
    assert validated(float, "1e-3", "p")[0] == 1e-3
