"""The verdicts of many runs as signs, and in words only for the best run."""

from __future__ import annotations

import pytest

from moft.run.comparison.verdict_matrix import curve_rows, legend, matrix_rows


def verdict(first, second, difference, *, measure="hypervolume", is_significant=True):
    return {
        "measure": measure,
        "first": first,
        "second": second,
        "difference": difference,
        "ci": [difference - 0.1, difference + 0.1],
        "p": 0.01,
        "is_significant": is_significant,
        "verdict": f"{first} {difference} {second}",
    }


def curve(first, second, above, below, differences=(0.1, 0.2)):
    words = f"{first} {above} {below} {second}"
    main = [0.5, 0.6] if differences else []
    sides = {"above": above, "below": below, "difference": list(differences), "main": main}
    return {"measure": "hypervolume", "objective": None, "first": first, "second": second, "verdict": words, **sides}


@pytest.fixture
def record():
    verdicts = [verdict("a", "b", 0.2), verdict("a", "c", -0.3), verdict("b", "c", 0.1, is_significant=False)]
    verdicts += [verdict("a", "b", 0.2, measure="main")]
    return {"entries": [{"name": name} for name in "abc"], "verdicts": verdicts, "main": {"name": "minus KL"}}


def test_a_sign_says_whether_the_row_is_above_the_column(record):
    assert matrix_rows(record) == [
        ["run", "hypervolume", "minus KL"],
        ["", "1 2 3", "1 2 3"],
        ["1 a", "  + -", "  +  "],
        ["2 b", "-   .", "-    "],
        ["3 c", "+ .  ", "     "],
    ]
    assert legend(record) == "+ the row's run is above the column's, - below it, . not significantly different"


def test_columns_of_ten_runs_are_aligned(record):
    record["entries"] = [{"name": f"run{k}"} for k in range(10)]
    record["verdicts"] = [verdict("run0", "run9", 1.0)]
    rows = matrix_rows(record)
    assert rows[1][1] == " 1  2  3  4  5  6  7  8  9 10"
    assert rows[2] == [" 1 run0", 27 * " " + " +"]
    assert rows[11][0] == "10 run9"
    assert len({len(row[1]) for row in rows[1:]}) == 1


def test_curves_have_signs_for_crossings_and_for_nothing_in_common(record):
    record["curves"] = {"verdicts": [curve("a", "b", 3, 2), curve("a", "c", 0, 0, ()), curve("b", "c", 0, 4)]}
    rows = matrix_rows(record)
    assert rows[0][-1] == "hypervolume at equal minus KL"
    assert [row[-1] for row in rows[2:]] == ["  x ?", "x   -", "? +  "]
    assert legend(record).endswith("x each is above the other somewhere, ? no main value in common")


def test_curves_are_told_for_the_best_against_each_other(record):
    record["curves"] = {"verdicts": [curve("a", "b", 3, 0), curve("a", "c", 0, 9, (-0.1, -0.3)), curve("b", "c", 1, 0, ())]}
    assert curve_rows(record)[1:] == [["a 0 9 c", "+0.1 to +0.3"], ["b 1 0 c", "\N{EN DASH}"]]
