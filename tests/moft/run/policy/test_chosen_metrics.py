"""Metrics of objectives by name: an evaluator that has none, and the notes of a profile."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from moft.errors import ConfigError
from moft.run.policy.chosen_metrics import file_safe, parse_metrics, reference_notes, with_metrics
from moft.run.run_settings import ProfileSettings
from moft.types import Objective

TASK = SimpleNamespace(objectives=(Objective("a"), Objective("b", metrics=("mrr",))), main=None)


class Alike:
    """An evaluator of all objectives alike."""

    metric = "alike"

    def __init__(self, objectives, main):
        self.objectives, self.main = objectives, main

    def __call__(self, steered, batches):
        raise AssertionError("names alone are looked at; nothing is measured here")


class Named(Alike):
    """An evaluator that reads what objectives name."""

    def check_labels(self, batches, *, is_whole):
        pass


def settings(evaluator, **changed):
    return ProfileSettings(evaluator=evaluator, grid=lambda m: None, indicators=[], **changed)


def test_given_metrics_replace_those_of_the_config():
    metrics = parse_metrics(["a=value@5", "a = map"], TASK)
    assert metrics == {"a": ("value@5", "map")}
    made = with_metrics(settings(Named), metrics).evaluator(TASK.objectives, None)
    assert [objective.metrics for objective in made.objectives] == [("value@5", "map"), ("mrr",)]
    assert with_metrics(settings(Named), {}).evaluator is Named


def test_an_evaluator_that_measures_all_alike_has_no_metrics_to_name():
    with pytest.raises(ConfigError, match="the evaluator Alike measures all objectives alike, but 'a' names its own metric"):
        with_metrics(settings(Alike), {"a": ("map",)}).evaluator((Objective("a"),), None)


def test_a_reference_point_of_other_metrics_is_noted():
    assert reference_notes(settings(Named, reference=[0.1, 0.1]), {"a": ("map",)}) != []
    assert reference_notes(settings(Named, reference=[0.1, 0.1]), {}) == reference_notes(settings(Named), {"a": ("map",)}) == []


def test_a_metric_in_a_folder_name_has_no_signs_that_a_shell_reads():
    assert file_safe("revenue/€=precision(rel=2)@10") == "revenue-=precision-rel=2-@10"
