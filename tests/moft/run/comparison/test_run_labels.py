"""Names of what is compared: short, and no two alike."""

from __future__ import annotations

from pathlib import Path

from moft.run.comparison.run_labels import entry_names, folder_names
from moft.run.report.read_front import MeasuredRun


def run_at(path, **config):
    return MeasuredRun(Path(path), {"run": {"name": Path(path).name, "config": config}}, {})


def profile_at(path, name):
    return MeasuredRun(Path(path), {"run": {"name": name, "config": {}}}, {})


def test_a_run_is_called_by_its_folder():
    assert folder_names([run_at("runs/a"), run_at("runs/b")]) == ["a", "b"]
    profiles = [profile_at("runs/a/profiles/test-21", "a"), profile_at("runs/b/profiles/test-21", "b")]
    assert folder_names(profiles) == ["a/test-21", "b/test-21"]
    assert folder_names([profile_at("runs/a-at-1", "a"), run_at("runs/a")]) == ["a-at-1", "a"]


def test_where_names_are_shared_paths_tell_apart():
    assert folder_names([run_at("one/run"), run_at("two/run"), run_at("two/other")]) == ["one/run", "two/run", "other"]
    assert folder_names([run_at("runs/a"), profile_at("runs/a/profiles/test-21", "a")]) == ["a", "a/test-21"]


def group(path, **config):
    return [run_at(f"{path}-{seed}", seed=seed, **config) for seed in (0, 1)]


def test_groups_are_called_by_the_setting_that_tells_them_apart():
    groups = [group(name, method={"name": "cos-dpo", "alpha": alpha}) for name, alpha in (("x", 0.5), ("y", 1), ("z", None))]
    assert entry_names(groups, ["seed"]) == ["method.alpha=0.5", "method.alpha=1", "method.alpha=null"]


def test_the_method_comes_before_what_else_differs():
    groups = [group("x", a=1, method={"name": "dpo-ls"}), group("y", a=2, method={"name": "mo-dpo"})]
    assert entry_names(groups, ["seed"]) == ["method.name=dpo-ls", "method.name=mo-dpo"]


def test_two_settings_are_told_where_one_does_not_do():
    groups = [group(f"{width}{is_on}", width=width, on=is_on) for width in (8, 16) for is_on in (True, False)]
    assert entry_names(groups, ["seed"])[:2] == ["on=true, width=8", "on=false, width=8"]


def test_groups_of_the_same_settings_are_called_by_what_their_folders_share():
    assert entry_names([group("hot-seed"), group("cold-seed")], ["seed"]) == ["hot", "cold"]


def test_one_group_without_a_common_beginning_is_called_by_its_method():
    runs = [run_at("a", method={"name": "dpo-ls"}), run_at("b", method={"name": "dpo-ls"})]
    assert entry_names([runs], ["seed"]) == ["dpo-ls"]
