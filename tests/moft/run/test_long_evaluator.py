"""Runs whose evaluator takes long: refused before training where it cannot measure, and told of as it goes."""

from __future__ import annotations

import pytest

from moft import Component, ConfigError, hookimpl
from moft.hooks.plugin_manager import Plugins
from moft.run.run_config import read_settings
from moft.run.train import train_run
from moft_ltr.metrics.ndcg import NDCG


class Slow(NDCG):
    """NDCG that says how far it is."""

    fault = ""

    def check(self, steered, batches):
        if self.fault:
            raise ConfigError(self.fault)

    def measure(self, steered, batches, on_progress):
        for row in range(len(steered.tradeoff)):
            on_progress(row + 1)
        return self(steered, batches)


class Watching:
    """Offers the evaluator, and remembers what it was told."""

    def __init__(self):
        self.told = []

    @hookimpl
    def moft_evaluators(self):
        yield Component("slow", Slow, "NDCG, slowly")

    @hookimpl
    def moft_step_ended(self, step):
        self.told.append("step")

    @hookimpl
    def moft_points_measured(self, run, done, points):
        self.told.append((run.name, done, points))


@pytest.fixture
def trained(config, tmp_path):
    """Trains with the slow evaluator, and gives what was told."""

    def train():
        watching, plugins = Watching(), Plugins()
        plugins.load(disable=["console"])
        plugins.register(watching, "watching")
        changes = ["profile.evaluator=slow", "profile.points=3", "trainer.evaluations=1", "trainer.epochs=1"]
        train_run(read_settings(config, changes, plugins), tmp_path / "run", plugins)
        return watching.told

    return train


def test_an_evaluator_that_cannot_measure_is_refused_before_training(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(Slow, "fault", "no room.")
    with pytest.raises(ConfigError, match=r"^no room\.$"):
        trained()
    assert not (tmp_path / "run").exists()


def test_points_are_told_as_they_are_measured(trained):
    told = trained()
    counts = [entry for entry in told if entry != "step"]
    at_the_end = [("run", done, 4) for done in (0, 1, 2, 3, 4)]  # the base model is the last
    assert counts[-5:] == at_the_end
    assert counts[:-5]  # of the evaluation during training
    assert {points for _, _, points in counts[:-5]} == {3}
