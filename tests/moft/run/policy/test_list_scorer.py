"""The scorer of a run gives, list by list, the scores of the whole file, and refuses what is no such array."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import moft
from moft.errors import ConfigError, DataError, RunError, ShapeError
from moft.run.policy.open_run import OpenedRun
from moft.testing.toy_task_and_policy import toy_task
from moft_ltr.data.dataset import open_dataset


@pytest.fixture
def run(finished):
    return moft.open_run(finished, device="cpu")


@pytest.fixture
def queries(lists, tmp_path):
    """The features of each test query."""
    data = open_dataset(lists / "test.txt", tmp_path / "cache")
    return np.split(np.array(data.features[:, :8]), data.offsets[1:-1])


def test_scores_are_those_of_the_file_at_named_weights_and_a_dial(run, queries, lists):
    weights = {"first": 0.25, "second": 0.75}
    scorer = run.scorer(weights, dial=2)
    assert scorer.features[:2] == ("column_1", "column_2")
    assert len(scorer.features) == 8
    assert not scorer.categories
    expected = run.scores(lists / "test.txt", weights, dial=2)
    found = [scorer(features) for features in queries]
    assert all(each.dtype == np.float32 for each in found)
    np.testing.assert_allclose(np.concatenate(found), expected, rtol=0, atol=2e-6)
    assert np.array_equal(scorer(queries[0].astype(np.float64)), found[0])
    assert scorer(queries[0][:0]).shape == (0,)


def test_weights_are_one_row_on_the_simplex(run):
    with pytest.raises(ShapeError, match="must sum to 1"):
        run.scorer([1.0, 1.0])
    with pytest.raises(ShapeError, match="a scorer has one weighting, not 2; make a scorer for each"):
        run.scorer([[1.0, 0.0], [0.0, 1.0]])
    with pytest.raises(DataError, match="thrid"):
        run.scorer({"thrid": 1.0})


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (np.zeros((3, 7)), r"takes an array \[documents, 8\] of numbers, .*, not \[3, 7\]"),
        (np.zeros(8), r"not \[8\]"),
        ([[0.0] * 8], "not list"),
        (np.array([["a"] * 8]), "not array of <U1"),
        (np.where(np.eye(8) > 0, np.inf, 0.0), "row 1, column 'column_1': holds inf; write a finite number"),
        (np.full((1, 8), 1e300), "row 1, column 'column_1': holds 1e\\+300"),
    ],
)
def test_other_arrays_are_refused(run, features, message):
    with pytest.raises(DataError, match=message):
        run.scorer([1.0, 0.0])(features)


def test_a_score_that_is_not_finite_is_told(run, queries):
    with torch.no_grad():
        run.policy.model.output.bias.fill_(float("nan"))
    with pytest.raises(RunError, match="row 1: the policy gives it the score nan"):
        run.scorer([1.0, 0.0])(queries[0])


def test_a_task_without_arrays_is_refused(run):
    toy = OpenedRun(run.folder, run.settings, toy_task(), run.policy)
    with pytest.raises(ConfigError, match="the task of the run takes no arrays; score a file"):
        toy.scorer([0.5, 0.5])
