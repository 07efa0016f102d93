"""What the figures of a conflict report are taken to say."""

from __future__ import annotations

import math

import numpy as np
import pytest

from moft.engine.conflict.conflict_advice import conflict_advice, points_for
from moft.engine.conflict.label_rankings import RankingValues
from moft.engine.conflict.list_conflicts import ListConflicts
from moft.types import Nouns


def advice(
    ideal: list[list[float]],
    *,
    trained: list[bool] | None = None,
    base: list[float] | None = None,
    ordered: list[list[float]] | None = None,
) -> str:
    m = len(ideal)
    shares = np.array(ordered if ordered is not None else [[1.0] * m] * 4)
    known = np.where((shares[:, :, None] > 0) & (shares[:, None, :] > 0), 0.5, np.nan)
    values = RankingValues(
        np.zeros(m), np.array(ideal), np.full(m, 0.8), None if base is None else np.array(base), len(shares), 0.02
    )
    names = ["a", "b", "c", "d", "e"][:m]
    return "\n".join(
        conflict_advice(names, trained or [True] * m, ListConflicts(known, known, shares), values, Nouns("query", "document"))
    )


@pytest.mark.parametrize(
    ("objectives", "least", "expected"),
    [
        (2, 0.0, (11, 10)),
        (2, -0.2, (11, 10)),
        (2, 0.53, (6, 5)),
        (2, 0.7, (4, 3)),
        (2, 1.0, (3, 2)),
        (2, math.nan, (11, 10)),
        (3, 0.0, (66, 10)),
        (3, 0.9, (6, 2)),
        (5, 0.0, (70, 4)),
        (30, 0.0, (30, 1)),
    ],
)
def test_points_are_a_step_for_each_tenth_that_is_lost(objectives: int, least: float, expected: tuple[int, int]) -> None:
    assert points_for(objectives, least) == expected


def test_the_largest_conflict_is_named_and_how_many_points_it_takes() -> None:
    said = advice([[1, 0.9, 0.4], [0.8, 1, 0.6], [0.5, 0.7, 1]])
    assert "the best order for a has 40% of c" in said
    assert "could have 80% or more of every objective" in said
    assert "profile.points: 28 (6 steps between two objectives, one for each tenth that an objective loses" in said
    assert "merged" not in said


def test_objectives_that_have_all_of_each_other_may_be_merged() -> None:
    said = advice([[1, 0.96], [0.97, 1]])
    assert "a and b may be merged" in said
    assert "profile.points: 3 (2 steps" in said


def test_what_the_base_has_is_said() -> None:
    assert "The base has 30% of a, 60% of b." in advice([[1, 0.5], [0.5, 1]], base=[0.3, 0.6])


def test_an_objective_that_is_not_trained_takes_no_points() -> None:
    said = advice([[1, 0.1], [0.1, 1]], trained=[False, True])
    assert "One objective is trained" in said
    assert "profile.points" not in said


def test_objectives_that_are_never_seen_together_are_named() -> None:
    said = advice([[1, math.nan], [math.nan, 1]], ordered=[[1, 0], [1, 0], [0, 1], [0, 1]])
    assert "No query has labels that order documents for both a and b" in said
    assert "profile.points: 11, the usual grid, as the conflict cannot be measured." in said
    assert "sparse" not in said


def test_sparse_labels_are_named() -> None:
    said = advice([[1, 0.5], [0.5, 1]], ordered=[[1, 0.02], [0, 0.06], [0, 0.04], [0, 0.04]])
    assert "a is sparse: it orders documents in 1 of 4 queries." in said
    assert "b is sparse: it orders 4.0% of the pairs of documents" in said
