"""How much a choice measures, and on which lists."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from moft.cli.choice_output import bound_rows
from moft.engine.choices.wish_settings import WishSettings
from moft.errors import ConfigError
from moft.hooks.plugin_manager import Plugins
from moft.run.policy.choices import make_choice as module
from moft.run.policy.choices.make_choice import effort_of
from moft.run.policy.choices.outcomes import OutcomeMeter, part_of
from moft.run.policy.open_run import open_run
from moft.types import Batches
from moft_ltr.metrics.ndcg import NDCG


@pytest.fixture
def opened(run):
    plugins = Plugins()
    plugins.load()
    return open_run(run, plugins, is_measured=True)


@pytest.fixture
def measured(monkeypatch):
    """How many tradeoffs were measured on how many lists, in order."""
    told, call = [], OutcomeMeter.__call__

    def counted(meter, places, *more):
        told.append((len(places), meter.lists.lists))
        return call(meter, places, *more)

    monkeypatch.setattr(OutcomeMeter, "__call__", counted)
    return told


@pytest.mark.parametrize("points", [2, 3, 5, 11, 50])
@pytest.mark.parametrize("m", [2, 5])
def test_what_takes_minutes_is_measured_at_most_twice_as_often_as_by_a_profile(points, m):
    effort = effort_of(WishSettings(), m, points, 100, is_long=True)
    beside = 1 + 2  # the base model, and on the test split the choice and the base model
    assert len(effort.first) + effort.rounds * effort.each + beside <= 2 * (points + 1)


@pytest.mark.parametrize("count", [4, 5, 6, 17, 100])
@pytest.mark.parametrize("m", [2, 3, 8])
def test_as_many_tradeoffs_are_measured_as_asked(count, m):
    effort = effort_of(WishSettings(measurements=count), m, 11, 100, is_long=False)
    assert len(effort.first) + effort.rounds * effort.each == count


def test_a_narrow_range_of_dials_is_kept():
    effort = effort_of(WishSettings(dials=(5.0, 6.0)), 3, 11, 100, is_long=False)
    assert ((effort.first.dials >= 5) & (effort.first.dials <= 6)).all()
    assert (effort.first.weights.amax(1) == 1).sum() >= 3  # each vertex


def test_few_lists_are_taken_whole():
    lists = Batches([torch.tensor([0, 1]), torch.tensor([2])], load=None)
    assert part_of(lists, 3) is lists


def test_of_many_lists_some_are_drawn_always_the_same():
    lists = Batches(list(torch.arange(100).split(7)), load=None)
    some, again = part_of(lists, 20), part_of(lists, 20)
    drawn = torch.cat(list(some.plan)).tolist()
    assert len(set(drawn)) == some.lists == 20
    assert drawn == sorted(drawn) == torch.cat(list(again.plan)).tolist()
    assert all(len(rows) for rows in some.plan)


def test_the_best_of_a_part_are_measured_on_all_lists(opened, measured, monkeypatch):
    monkeypatch.setattr(module, "MOST", 5)
    choice = opened.choose(keep=["main >= 50% of base"], maximise="first")
    on = {lists for _, lists in measured}
    assert on == {5, 8}
    assert choice.record["lists"] == 8
    on_all = [count for count, lists in measured if lists == 8]
    assert sum(on_all[:-1]) <= 20
    assert choice.record["measured"] == sum(count for count, _ in measured[:-1])


def test_all_is_measured_once_on_the_validation_split_and_the_choice_on_the_test_split(opened, measured):
    choice = opened.choose(maximise="second")
    assert measured[-1][0] == 1
    assert sum(count for count, _ in measured[:-1]) == choice.record["measured"]
    assert choice.record["test"]["lists"] == 8


def test_a_share_of_the_best_is_measured_on_the_test_split_too(opened, measured):
    choice = opened.choose(keep=["first >= 50% of best", "main >= 50% of best"], maximise="second")
    assert measured[-1][0] == 3
    assert choice.record["test"]["held"] == [True, True]


def test_python_takes_the_settings_of_a_wish(opened):
    choice = opened.choose(keep=["main >= 50% of base"], maximise="first", name="mine")
    assert opened.choose(WishSettings(keep=("main >= 50% of base",), maximise="first"), name="mine").record == choice.record
    assert opened.choice("mine").record["weights"] == choice.record["weights"]
    assert opened.expect("mine")["first"].value == pytest.approx(choice.record["outcomes"][0]["validation"], abs=0.05)
    assert list(opened.expect([0.5, 0.5], dial=2.0)) == ["first", "second", "main"]


def test_scores_at_a_choice_are_those_at_its_weights_and_dial(opened, lists):
    choice = opened.choose(keep=["main >= 50% of base"], maximise="first", name="mine")
    weights = [choice.weights[name] for name in opened.names]
    assert opened.scores(lists / "test.txt", "mine") == opened.scores(lists / "test.txt", weights, dial=choice.dial)


class Slow(NDCG):
    """NDCG that reports its progress, and counts what it measured."""

    count = 0

    def check(self, steered, batches):
        pass

    def measure(self, steered, batches, on_progress):
        Slow.count += len(steered.tradeoff)
        return self(steered, batches)


@pytest.mark.parametrize("points", [2, 3, 6])
@pytest.mark.parametrize("most", [1000, 5])
def test_a_long_evaluator_measures_at_most_twice_as_much_as_for_a_profile(points, most, opened, monkeypatch):
    monkeypatch.setattr("moft.run.policy.point_files.QUICK", 0.0)
    monkeypatch.setattr(module, "MOST", most)
    monkeypatch.setattr(Slow, "count", 0)
    profile = replace(opened.settings.profile, evaluator=Slow, points=points)
    run = replace(opened, settings=replace(opened.settings, profile=profile))
    told = []
    choice = run.choose(keep=["main >= 50% of base"], maximise="first", on_progress=lambda *done: told.append(done))
    assert Slow.count <= 2 * (points + 1)
    assert Slow.count == choice.record["measured"] + 3
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert all(done <= points_in_all for done, points_in_all in told)


@pytest.mark.parametrize("gone", ["second", "main"])
def test_an_outcome_without_a_value_on_the_validation_split_is_left_out(gone, opened, monkeypatch):
    values = OutcomeMeter._values

    def without(meter, *more):
        found = values(meter, *more)
        if meter.lists.lists == 8 and meter.kept._key != test_key:
            (found.main if gone == "main" else found.values[..., 1]).fill_(torch.nan)
        return found

    test_key = module.points_key(opened.folder, "test", opened.task.identity())
    monkeypatch.setattr(OutcomeMeter, "_values", without)
    choice = opened.choose(keep=[] if gone == "main" else ["main >= 50% of base"], maximise="first")
    assert gone not in [each["name"] for each in choice.record["outcomes"]]
    assert gone not in opened.expect("choice-1")
    said = f"^keep '{gone} >= 90% of base': '{gone}' is not measured.* No query of the validation split has a value of it.$"
    with pytest.raises(ConfigError, match=said):
        opened.choose(keep=[f"{gone} >= 90% of base"], maximise="first")


def test_a_bound_without_a_value_on_the_test_split_is_neither_held_nor_missed(opened, monkeypatch):
    values = OutcomeMeter._values
    test_key = module.points_key(opened.folder, "test", opened.task.identity())

    def without(meter, *more):
        found = values(meter, *more)
        if meter.kept._key == test_key:
            found.main.fill_(torch.nan)
        return found

    monkeypatch.setattr(OutcomeMeter, "_values", without)
    choice = opened.choose(keep=["main >= 50% of base"], maximise="first")
    assert choice.record["test"]["held"] == [None]
    assert bound_rows(choice.record)[1][0][3] == "-"
