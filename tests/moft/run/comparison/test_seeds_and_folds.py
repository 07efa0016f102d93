"""Runs as entries: over seeds, folds put together, in all combinations; what is missing is named."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from moft import ConfigError, RunError
from moft.run.comparison.seeds_and_folds import comparable_by, entries_of
from moft.run.report.read_front import read_measured

METHODS = ("cos-dpo", "dpo-ls")


@pytest.fixture
def read(made):
    def of(name, **what):
        return read_measured(made(name, **what))

    return of


def grid_of(read, *, seeds=(0,), folds=(None,), methods=METHODS, **what):
    """A run for each combination."""
    return [
        read(f"{method}-{seed}-{fold}", method=method, seed=seed, fold=fold, **what)
        for method, seed, fold in product(methods, seeds, folds)
    ]


def test_each_run_is_an_entry_by_its_name(read):
    runs = grid_of(read, seeds=(0, 1))
    entries = entries_of(runs)
    assert [entry.name for entry in entries] == [run.name for run in runs]
    assert [entry.all_runs for entry in entries] == [[run] for run in runs]


def test_runs_that_differ_in_their_seed_are_one_entry_in_the_order_of_seeds(read):
    runs = grid_of(read, seeds=(10, 2, 1))
    entries = entries_of(runs, over_seeds=True)
    assert [entry.name for entry in entries] == ["method.name=cos-dpo", "method.name=dpo-ls"]
    assert [entry.seeds for entry in entries] == [(1, 2, 10)] * 2
    assert entries[1].runs == ((runs[5],), (runs[4],), (runs[3],))


def test_one_group_over_seeds_stands_alone_under_what_its_folders_share(read):
    runs = [read(f"small-seed{seed}", seed=seed) for seed in (0, 1)]
    (entry,) = entries_of(runs, over_seeds=True)
    assert (entry.name, entry.seeds) == ("small", (0, 1))


def test_folds_are_put_together_in_one_order(read):
    runs = grid_of(read, folds=(2, 0, 1))
    entries = entries_of(runs, pool="task.fold")
    assert [[run.config["task"]["fold"] for run in entry.all_runs] for entry in entries] == [[0, 1, 2]] * 2
    (values,) = entries[0].pooled("values")
    expected = torch.cat([runs[at].tensors["values"] for at in (1, 2, 0)], dim=1)
    assert torch.equal(values, expected)


def test_folds_and_seeds_go_together(read):
    entries = entries_of(grid_of(read, seeds=(0, 1), folds=(0, 1, 2)), over_seeds=True, pool="task.fold")
    assert [len(entry.pooled("values")) for entry in entries] == [2, 2]
    assert all(values.shape == (5, 120, 2) for values in entries[0].pooled("values"))


def test_without_over_seeds_seeds_stay_apart_when_folds_are_pooled(read):
    entries = entries_of(grid_of(read, seeds=(0, 1), folds=(0, 1), methods=METHODS[:1]), pool="task.fold")
    assert [entry.name for entry in entries] == ["seed=0", "seed=1"]


@pytest.mark.parametrize(
    ("varied", "options"),
    [
        ({}, ""),
        ({"seeds": (0, 1)}, " --over-seeds"),
        ({"folds": (0, 1, 2)}, " --pool task.fold"),
        ({"seeds": (0, 1), "folds": (0, 1)}, " --over-seeds --pool task.fold"),
        ({"folds": (0, 1), "methods": METHODS[:1]}, " --pool task.fold"),
    ],
)
def test_runs_of_a_sweep_are_comparable_by_what_they_differ_in(read, varied, options):
    assert comparable_by(grid_of(read, **varied)) == options


def test_runs_that_nothing_makes_comparable_have_no_options(read):
    assert comparable_by([read("a"), read("b", front={"metric": "another one"})]) is None


def test_another_temperature_is_another_entry(read):
    runs = [read(f"{t:g}-{seed}", seed=seed, beta=t) for t in (1.0, 2.0) for seed in (0, 1)]
    entries = entries_of(runs, over_seeds=True)
    assert [len(entry.all_runs) for entry in entries] == [2, 2]


def test_another_files_folder_may_be_pooled(read):
    def split(letter):
        return {"splits": {name: {"sha256": [f"{name}{letter}"]} for name in ("train", "validation", "test")}}

    def config(letter):
        return {"task": {"name": "ltr", "data": f"Fold{letter}"}}

    runs = [read(f"{m}-{f}", method=m, config=config(f), data=split(f)) for m in METHODS for f in (1, 2)]
    assert [len(entry.all_runs) for entry in entries_of(runs, pool="task.data")] == [2, 2]


def refused(runs, match, **how):
    with pytest.raises((ConfigError, RunError)) as caught:
        entries_of(runs, **how)
    assert "\n" not in str(caught.value)
    assert match in str(caught.value)


def test_one_run_is_not_compared(read):
    refused([read("one")], "needs at least two runs, got 1")


def test_a_run_given_twice_is_refused_whatever_it_is_called(made):
    path = made("one")
    other = path.parent / "other" / ".." / "one"
    (path.parent / "other").mkdir()
    refused([read_measured(path), read_measured(other)], f"{other}: is given twice")


def test_a_seed_that_another_entry_has_is_named(read):
    runs = grid_of(read, seeds=(0, 1))
    refused(
        runs[:3],
        f"{runs[2].path}: no run with its settings and seed=1 is given (such as {runs[1].path} for another entry)",
        over_seeds=True,
    )


def test_a_fold_that_another_entry_has_is_named(read):
    runs = grid_of(read, seeds=(0, 1), folds=(0, 1))
    how = {"over_seeds": True, "pool": "task.fold"}
    refused(
        runs[:-1],
        f"no run with its settings and seed=1 and task.fold=1 is given (such as {runs[3].path} for another entry)",
        **how,
    )


def test_two_runs_of_one_seed_are_refused(read):
    runs = [read("a"), read("b"), read("c", seed=1)]
    refused(runs, f"{runs[0].path} and {runs[1].path}: have the same settings and seed=0; leave one of them out", over_seeds=True)


def test_runs_without_a_common_seed_group_are_refused(read):
    runs = grid_of(read)
    told = f"--over-seeds: no two runs differ only in their seed ({runs[0].path} and {runs[1].path} differ in method.name)"
    refused(runs, told, over_seeds=True)


def test_a_pooled_setting_that_no_run_has_is_refused(read):
    runs = grid_of(read, folds=(0, 1))
    refused(runs, f"--pool task.flod: {runs[0].path} has no such setting", pool="task.flod")


def test_a_pooled_setting_that_is_the_same_everywhere_is_refused(read):
    refused(grid_of(read, folds=(1,)), "--pool task.fold: is 1 in every run", pool="task.fold")


def test_a_pooled_setting_that_selects_no_lists_is_refused(read):
    runs = [read(f"{width}", config={"task": {"width": width}}) for width in (8, 16)]
    refused(runs, "task.width=8 and task.width=16 measured the same test lists, which would count twice", pool="task.width")


def test_training_splits_are_not_pooled(read):
    refused(grid_of(read, folds=(0, 1), front={"split": "train"}), "task.fold=0 and task.fold=1 overlap", pool="task.fold")


def test_folds_that_were_dealt_otherwise_are_refused(read):
    runs = [read("a", fold=0), read("b", fold=1, folds=5)]
    refused(runs, "dealt.folds: 3 there, 5 here", pool="task.fold")


def test_runs_of_one_fold_must_have_seen_the_same_lists(read):
    runs = [*grid_of(read, folds=(0, 1))[:3], read("other", method="dpo-ls", fold=1, lists=30)]
    refused(runs, "splits.train.lists: 40 there, 30 here", pool="task.fold")


def test_folds_of_several_kinds_without_pool_are_another_protocol(read):
    refused(grid_of(read, folds=(0, 1)), "dealt.fold: 0 there, 1 here")
