"""The batch scorer gives, to the bit, the scores of a file with the same lists, each at a tradeoff of its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import moft
from moft.errors import ConfigError, DataError, RunError
from moft.run.policy.batch_scorer import BatchScorer
from moft.run.policy.open_run import OpenedRun
from moft.testing.toy_task_and_policy import toy_task
from moft_ltr.data.dataset import open_dataset


@pytest.fixture(scope="module")
def run(finished):
    return moft.open_run(finished, device="cpu")


@pytest.fixture(scope="module")
def queries(lists, tmp_path_factory):
    """The features of each test query."""
    data = open_dataset(lists / "test.txt", tmp_path_factory.mktemp("cache"))
    return np.split(np.array(data.features[:, :8]), data.offsets[1:-1])


def test_scores_of_each_list_at_its_own_tradeoff(run, queries, lists):
    scorer = run.batch_scorer()
    assert scorer.features == run.scorer([1.0, 0.0]).features
    assert scorer.base_scores is None
    weights = [[place / 7, 1 - place / 7] for place in range(len(queries))]
    found = scorer(queries, run.tradeoffs([(row, 2, "") for row in weights]))
    assert all(each.dtype == np.float32 for each in found)
    assert np.concatenate(found).tolist() == list(run.scores(lists / "test.txt", weights, dial=2))
    for rows, row, scores in zip(queries, weights, found, strict=True):
        np.testing.assert_allclose(scores, run.scorer(row, dial=2)(rows), rtol=0, atol=2e-6)
    assert scorer([], run.tradeoffs([([1.0, 0.0], None, "")])) == []


def test_a_task_that_reads_one_list_at_a_time_has_the_same_scores(run, queries):
    whole, at = run.batch_scorer(), run.tradeoffs([([0.25, 0.75], 2, "")])
    apart = BatchScorer(replace(run.task.array_reader(), read_lists=None), run.policy)
    for one, other in zip(whole(queries, at), apart(queries, at), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=2e-6)


def test_other_arrays_and_tasks_are_refused(run, queries, monkeypatch):
    scorer, at = run.batch_scorer(), run.tradeoffs([([1.0, 0.0], None, "")])
    with pytest.raises(DataError, match=r"not \[3, 7\]"):
        scorer([queries[0], np.zeros((3, 7))], at)
    with pytest.raises(DataError, match="a list without rows has no scores"):
        scorer([queries[0][:0]], at)
    monkeypatch.setattr(run.policy.model.output, "bias", torch.nn.Parameter(torch.tensor([float("nan")])))
    with pytest.raises(RunError, match="item 1 of list 1: the policy gives it the score nan"):
        scorer([queries[0]], at)
    toy = OpenedRun(run.folder, run.settings, toy_task(), run.policy)
    with pytest.raises(ConfigError, match="the task of the run takes no arrays"):
        toy.batch_scorer()
