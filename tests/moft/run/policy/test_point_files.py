"""Measuring that was interrupted goes on with the points that were measured, and gives what an uninterrupted one does."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from moft import Component, RunError, hookimpl
from moft.engine.fronts.kept_points import joined
from moft.files.safetensors import load_tensors, save_tensors
from moft.hooks.plugin_manager import Plugins
from moft.run.folder.run_folder import lock_folder
from moft.run.policy import point_files
from moft.run.policy.measure import measure
from moft.run.policy.open_run import open_run
from moft.run.policy.point_files import PointFiles, points_beside
from moft.run.run_config import read_settings
from moft.run.train import train_run
from moft.types import ListValues, Tradeoff
from moft_ltr.metrics.ndcg import NDCG

KEY = "0123456789abcdef"
ROWS = Tradeoff(torch.eye(2), torch.tensor([[1.0, 0.5]]))
VALUES = ListValues(
    torch.tensor([[[0.5, torch.nan]], [[1.0, 2.0]]]), torch.full((2, 1), torch.nan), torch.tensor([4]), {"KL": torch.ones(2, 1)}
)


class Counted(NDCG):
    """NDCG that is measured point by point, and can be interrupted after some of them."""

    measured, allowed = 0, 1000

    def check(self, steered, batches):
        return None

    def measure(self, steered, batches, on_progress):
        if Counted.allowed == 0:
            raise KeyboardInterrupt
        Counted.allowed -= 1
        Counted.measured += 1
        return self(steered, batches)


class Offers:
    @hookimpl
    def moft_evaluators(self):
        yield Component("counted", Counted, "NDCG, counted")


@pytest.fixture
def train(config, tmp_path, monkeypatch):
    """Trains, measuring `allowed` points at the end, and gives how many were measured."""
    monkeypatch.setattr(point_files, "QUICK", 0.0)

    def run(name, allowed=1000, *changes):
        plugins = Plugins()
        plugins.load(disable=["console"])
        plugins.register(Offers(), "offers")
        Counted.measured, Counted.allowed = 0, allowed
        settings = ["profile.evaluator=counted", "profile.validation_evaluator=ndcg", "trainer.epochs=1", "trainer.evaluations=1"]
        train_run(read_settings(config, [*settings, *changes], plugins), tmp_path / name, plugins, resume=True)
        return Counted.measured

    return run


def points(folder):
    return json.loads((folder / "front.json").read_text())["points"]


def test_a_run_goes_on_with_measuring_where_it_was_interrupted(train, tmp_path):
    assert train("whole") == 4
    with pytest.raises(KeyboardInterrupt):
        train("run", 2)
    assert len(list((tmp_path / "run" / "measured").iterdir())) == 2
    assert not (tmp_path / "run" / "front.json").exists()
    assert train("run") == 2
    assert points(tmp_path / "run") == points(tmp_path / "whole")
    assert not (tmp_path / "run" / "measured").exists()


def test_other_points_may_be_measured_when_it_goes_on_and_only_they_are(train, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train("run", 3)
    assert train("run", 1000, "profile.points=5") == 3  # two more of the grid, and the base model
    assert len(points(tmp_path / "run")) == 5


@pytest.mark.parametrize("change", ["profile.split=validation", "profile.evaluator.k=3"])
def test_points_that_were_measured_otherwise_are_measured_again(change, train, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train("run", 3)
    assert train("run", 1000, change) == 4


def test_a_policy_that_was_not_measured_yet_is_opened_and_scored(train, tmp_path, lists, plugins):
    with pytest.raises(KeyboardInterrupt):
        train("run", 0)
    plugins.register(Offers(), "offers")
    opened = open_run(tmp_path / "run", plugins, device="cpu")
    items = sum("qid:" in line for line in (lists / "test.txt").read_text().splitlines())
    assert len(opened.scores(lists / "test.txt", [0.5, 0.5])) == items


def test_points_come_back_as_they_were(tmp_path):
    PointFiles(tmp_path / "kept", KEY).keep(ROWS, VALUES, 1.0)
    found = PointFiles(tmp_path / "kept", KEY).find(ROWS.select(torch.tensor([1, 0])))
    assert found.values.equal(VALUES.values.flip(0)) or found.values.nan_to_num().equal(VALUES.values.flip(0).nan_to_num())
    assert found.more["KL"].equal(torch.ones(2, 1))
    assert (found.lists.tolist(), found.main_name) == ([4], "main")
    assert PointFiles(tmp_path / "kept", "other").find(ROWS) is None
    assert PointFiles(tmp_path / "kept", KEY).of("base").find(ROWS) is None
    assert PointFiles(tmp_path / "kept", KEY).find(Tradeoff(torch.tensor([[0.5, 0.5]]), ROWS.betas)) is None


def test_further_values_have_the_same_order_measured_and_kept(tmp_path):
    values = replace(VALUES, more={name: torch.ones(2, 1) for name in ("margin", "accuracy", "loss")})
    PointFiles(tmp_path / "kept", KEY).keep(ROWS, values, 1.0)
    kept = PointFiles(tmp_path / "kept", KEY).find(ROWS)
    assert [*joined([kept]).more] == [*joined([values]).more]


def test_damaged_points_are_measured_again(tmp_path):
    PointFiles(tmp_path / "kept", KEY).keep(ROWS, VALUES, 1.0)
    (file,) = (tmp_path / "kept").iterdir()
    whole, tensors = file.read_bytes(), load_tensors(file, unmeasured=("values", "main"))
    for damage in (whole[:50], b"", None):
        if damage is None:
            save_tensors(file, tensors | {"main": torch.zeros(3, 1)})
        else:
            file.write_bytes(damage)
        assert PointFiles(tmp_path / "kept", KEY).find(ROWS) is None


def test_an_interrupted_profile_keeps_its_points_beside_its_folder(tmp_path):
    def interrupted():
        with points_beside(tmp_path / "front", KEY) as kept:
            kept.keep(ROWS, VALUES, 1.0)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    with points_beside(tmp_path / "front", KEY) as kept:
        assert kept.find(ROWS) is not None
        with (
            pytest.raises(RunError, match=r"front\.partial: another process is measuring"),
            points_beside(tmp_path / "front", ""),
        ):
            pass
    assert list(tmp_path.iterdir()) == []


def test_what_a_user_put_beside_the_points_stays(tmp_path):
    (tmp_path / "front.partial").mkdir()
    mine = ["mine", "more.safetensors", "weights.safetensors"]
    for name in mine:
        (tmp_path / "front.partial" / name).write_text("mine")
    with points_beside(tmp_path / "front", KEY) as kept:
        kept.keep(ROWS, VALUES, 1.0)
    assert sorted(path.name for path in (tmp_path / "front.partial").iterdir()) == mine
    lock_folder(tmp_path / "front.partial").close()


def test_points_that_are_quick_to_measure_are_not_kept(finished, plugins, tmp_path):
    opened = open_run(finished, plugins, device="cpu")
    kept = PointFiles(tmp_path / "kept", KEY)
    kept.keep(ROWS, VALUES, 0.001)
    assert not (tmp_path / "kept").exists()
    whole, by_blocks = measure(opened, opened.settings.profile), measure(opened, opened.settings.profile, kept=kept)
    assert by_blocks.front.points.tolist() == whole.front.points.tolist()
