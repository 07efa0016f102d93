"""Lists of one prompt are joined where no label would be given twice."""

from __future__ import annotations

from moft_llm.data.preference_example import Example
from moft_llm.data.readers.joined_lists import joined_by_prompt


def pair(prompt, objective, better, worse, where="f:1"):
    return Example(prompt, (better, worse), {objective: (1.0, 0.0)}, where)


def test_the_same_pair_of_another_objective_is_joined_before_other_pairs():
    given = [pair("p", "x", "a", "b"), pair("p", "x", "c", "d"), pair("p", "y", "d", "c"), pair("p", "y", "e", "f")]
    assert list(joined_by_prompt(given)) == [
        Example("p", ("a", "b", "e", "f"), {"x": (1.0, 0.0, None, None), "y": (None, None, 1.0, 0.0)}, "f:1"),
        Example("p", ("c", "d"), {"x": (1.0, 0.0), "y": (0.0, 1.0)}, "f:1"),
    ]


def test_pairs_of_one_objective_stay_apart():
    given = [pair("p", "x", "a", "b"), pair("p", "x", "b", "c"), pair("q", "x", "a", "b")]
    assert list(joined_by_prompt(given)) == given


def test_a_response_of_both_is_one_response_whatever_its_spaces():
    (example,) = joined_by_prompt([pair("p", "x", "a", "b"), pair("p", "y", " a", "c")])
    assert example == Example("p", ("a", "b", "c"), {"x": (1.0, 0.0, None), "y": (1.0, None, 0.0)}, "f:1")


def test_a_pair_of_equal_responses_is_left_as_it_is():
    faulty = pair("p", "x", "a", "a")
    assert list(joined_by_prompt([pair("p", "y", "a", "b"), faulty])) == [faulty, pair("p", "y", "a", "b")]


def test_thousands_of_pairs_of_a_prompt_are_joined_in_no_time():
    given = [pair("p", name, f"{name}{i}", f"{i}") for name in "xy" for i in range(3000)]
    assert len(list(joined_by_prompt(given))) == 3000
