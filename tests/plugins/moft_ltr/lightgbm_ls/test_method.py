"""The method `lightgbm-ls`: a ranker for each weighting, which can be resumed, opened, measured and asked for scores."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from functools import partial

import pytest
import torch

pytest.importorskip("lightgbm")

from moft import ConfigError, DataError, open_run
from moft.api import Objective, Tradeoff, betas_of
from moft.config.build_component import resolve
from moft.engine.fronts.measure_front import problem_without_validation
from moft.engine.training.jobs.job_records import NoRecords
from moft.engine.training.trainer import AccelerateTrainer
from moft.engine.training.trainer_settings import TrainerSettings
from moft.interfaces import Loss, Method, Policy
from moft.testing.toy_task_and_policy import toy_task
from moft_ltr.base.lambdamart import LambdaMART, train_lambdamart
from moft_ltr.lightgbm_ls.mixed_labels import read_documents

GROW = {"trees": 8, "patience": 8, "leaves": 4, "items": 3, "learning_rate": 0.2}


class RecordsInMemory(NoRecords):
    """Keeps finished jobs, steps and notes, and interrupts after some steps."""

    def __init__(self, stop_after=None):
        self.jobs, self.rows, self.notes, self.stop_after = {}, [], [], stop_after

    def finished(self, job):
        return self.jobs.get(job)

    def finish(self, job, weights, cost):
        self.jobs[job] = weights

    def step(self, step, values):
        self.rows.append(values)
        if len(self.rows) == self.stop_after:
            raise KeyboardInterrupt

    def note(self, text):
        self.notes.append(text)


@pytest.fixture
def method(plugins):
    def built(**settings):
        given = {"name": "lightgbm-ls", "points": 3, "grow": GROW, **settings}
        return resolve(Method[Policy], given, plugins).make()

    return built


def trained(method, task, records=None, *, resume=False):
    problem = problem_without_validation(task)
    policy = method.policy(problem)
    settings = TrainerSettings(device="cpu", evaluations=0)
    method.train(policy, problem, AccelerateTrainer(settings, seed=0, records=records, resume=resume))
    return policy


def texts(policy):
    return [trees.text for trees in policy.dedicated.models]


def test_a_vertex_without_main_share_is_lambdamart_on_that_objective_alone(method, prepared):
    task = prepared()
    policy = trained(method(main_share=0.0), task)
    assert policy.grid.tolist() == [[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]
    for index, place in ((0, 0), (1, 2)):
        splits = [read_documents(partial(task.batches, split), task.feature_table()) for split in ("train", "validation")]
        alone = [(documents, (labels.objectives[:, index] * 1000).round() / 1000) for documents, labels in splits]
        assert texts(policy)[place] == train_lambdamart(LambdaMART(**GROW), *alone, budget=64, seed=0, gain="linear")
    assert len(set(texts(policy))) == 3


def test_with_the_whole_share_every_ranker_learns_the_main_label(method, prepared):
    assert len(set(texts(trained(method(main_share=1.0), prepared())))) == 1


def test_the_scores_are_those_of_the_trees_ties_included(method, prepared):
    task = prepared()
    policy = trained(method(), task)
    batch = next(iter(task.batches("test")))
    for index, weights in enumerate(policy.grid):
        scores = policy(batch, Tradeoff(weights.expand(len(batch), -1), betas_of(task.objectives)))
        expected = policy.dedicated[index].scores(batch.inputs["table"][batch.items].numpy())
        assert scores.dtype == torch.float32
        assert scores[batch.items].equal(torch.from_numpy(expected).float())


def test_a_resumed_run_trains_only_what_is_left_and_gives_the_same_bits(method, prepared):
    task, records = prepared(), RecordsInMemory(stop_after=11)
    with pytest.raises(KeyboardInterrupt):
        trained(method(), task, records)
    assert list(records.jobs) == ["grid-1-of-3"]
    records.stop_after, records.rows = None, []
    resumed = trained(method(), task, records, resume=True)
    assert {row["job"] for row in records.rows} == {"grid-2-of-3", "grid-3-of-3"}
    assert texts(resumed) == texts(trained(method(), task))


def test_losses_and_betas_that_are_not_used_are_told_once(method, prepared):
    quiet, told = RecordsInMemory(), RecordsInMemory()
    trained(method(), prepared(), quiet)
    objectives = {"first": {"column": 9, "loss": "plackett-luce"}, "second": {"column": 10, "beta": 2}}
    trained(method(), prepared(objectives=objectives), told)
    assert quiet.notes == []
    assert told.notes == ["lightgbm-ls learns from mixed labels; it uses neither losses nor betas of objectives."]


def test_without_a_main_objective_the_labels_of_the_objectives_are_mixed_alone(method, prepared):
    records, task = RecordsInMemory(), prepared(main=None)
    assert texts(trained(method(), task, records)) == texts(trained(method(main_share=0.0), task))
    assert records.notes == ["There is no main objective, so lightgbm-ls mixes the labels of the objectives alone."]


def test_a_ranker_that_cannot_split_is_told(method, prepared):
    records = RecordsInMemory()
    trained(method(points=2, grow={**GROW, "items": 70}), prepared(), records)
    expected = "grid-1-of-2: no split ranks the training documents better, so this ranker gives all the same score."
    assert records.notes == [expected]


def test_what_cannot_be_trained_is_refused_in_one_line(method, prepared):
    with pytest.raises(ConfigError, match=r"^\[method\] trees need features in columns, which the task"):
        method().policy(problem_without_validation(toy_task()))
    with pytest.raises(ConfigError, match=r"^\[method.grow.items\] 1000 is more than half of the \d+ training documents"):
        trained(method(grow={**GROW, "items": 1000}), prepared())
    for wrong, where in (({"main_share": 1.5}, "main_share"), ({"grow": {"leaves": 1}}, "grow.leaves")):
        with pytest.raises(ConfigError, match=where):
            method(**wrong)


def test_validation_queries_without_a_mixed_label_are_refused(method, prepared, lists, tmp_path):
    shutil.copytree(lists, tmp_path / "data")
    rows = [line.split() for line in (lists / "vali.txt").read_text().splitlines() if not line.startswith("#")]
    (tmp_path / "data" / "vali.txt").write_text("".join(" ".join([*row[:10], "9:1", row[11]]) + "\n" for row in rows))
    with pytest.raises(
        DataError, match=r"^\[method\] 'lightgbm-ls' is selected by NDCG on the validation queries, but none has a"
    ):
        trained(method(main_share=0.0), prepared(data=tmp_path / "data"))


def test_an_objective_without_labels_is_refused(method, prepared, plugins):
    loss = resolve(Loss, {"name": "exposure", "attribute": "group"}, plugins).make()
    batch = next(iter(prepared().batches("train")))
    empty = batch.labels * torch.tensor([1.0, 0.0])
    with pytest.raises(ConfigError, match=r"^\[task.objectives.fair\] has no labels, and 'lightgbm-ls' learns from labels alone"):
        method().check_labels([Objective("first"), Objective("fair", loss=loss)], replace(batch, labels=empty))
    method().check_labels([Objective("first"), Objective("fair", loss=loss)], batch)


def test_the_commands_work_on_its_runs(config, lists, tmp_path, moft, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = json.dumps({"name": "lightgbm-ls", "points": 3, "grow": GROW})
    assert moft("train", config, "--set", f"method={text}", "--out", "runs/ls").code == 0
    assert moft("profile", "runs/ls", "--dial", "2").code == 0
    assert moft("compare", "runs/ls", "runs/ls/profiles/test-3-dial-2", "--out", "comparison").code == 0
    assert moft("score", "runs/ls", lists / "test.txt", "--weights", "0.5,0.5", "--out", "scores.txt").code == 0
    uneven = moft("profile", "runs/ls", "--dial", "1,2")
    assert uneven.code == 2
    assert len(uneven.mistakes) == 1
    assert "not a multiple of the trained ones" in uneven.mistakes[0]
    front = json.loads((tmp_path / "runs/ls/front.json").read_text())
    assert front["cost"]["jobs"] == 3
    written = [float(line) for line in (tmp_path / "scores.txt").read_text().split()]
    assert open_run("runs/ls").scores(lists / "test.txt", {"first": 0.5, "second": 0.5}) == pytest.approx(written, abs=1e-6)
