"""LambdaMART bases: learn relevance, keep the best trees, and are the same bits whatever the threads."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch

from moft import ConfigError, DataError
from moft.api import tensor_to_text
from moft.engine.training.jobs.job_records import NoRecords
from moft.engine.training.trainer import AccelerateTrainer
from moft.engine.training.trainer_settings import TrainerSettings
from moft_ltr.metrics.ndcg import ndcg, ranking

pytest.importorskip("lightgbm", reason="lightgbm is not installed; it is in the group 'test'")

BASE = {"name": "lambdamart", "trees": 30, "patience": 30, "leaves": 4, "items": 3, "learning_rate": 0.2}


def text_of(built):
    """The model that a task keeps."""
    return tensor_to_text(built.state()["booster"])


def main_ndcg(built, split, gain="exp2"):
    """Mean NDCG@10 of the reference scores for the main labels."""
    values = [
        ndcg(ranking(batch.reference.unsqueeze(0), batch.items, 10), batch.main, batch.items, gain, "skip")[0]
        for batch in built.batches(split)
    ]
    return torch.cat(values).nanmean().item()


def by_prefix(built, lists):
    """NDCG@10 on the validation lists of the first 1, 2, ... trees of a model, from the raw columns of the file."""
    import lightgbm

    booster = lightgbm.Booster(model_str=text_of(built))
    rows = [row.split() for row in (lists / "vali.txt").read_text().splitlines() if not row.startswith("#")]
    values = np.array([[float(field.partition(":")[2]) for field in row[2:10]] for row in rows], dtype=np.float32)
    store, found = built._stores["validation"], []
    for trees in range(1, booster.num_trees() + 1):
        scores = torch.from_numpy(booster.predict(values, raw_score=True, num_iteration=trees)).float()
        each = []
        for batch in built.batches("validation"):
            places = store.starts[batch.lists].unsqueeze(1) + torch.arange(batch.items.shape[1]).minimum(
                store.lengths[batch.lists].unsqueeze(1) - 1
            )
            order = ranking(scores[places].unsqueeze(0), batch.items, 10)
            each.append(ndcg(order, batch.main, batch.items, "exp2", "skip")[0])
        found.append(torch.cat(each).nanmean().item())
    return found


def relabelled(lists, folder, split, label_of):
    """A copy of the lists in which the relevance of a split's rows is `label_of(old)`."""
    shutil.copytree(lists, folder)
    path = folder / f"{split}.txt"
    rows = [row.split() for row in path.read_text().splitlines() if not row.startswith("#")]
    path.write_text("".join(" ".join([str(label_of(float(row[0]))), *row[1:]]) + "\n" for row in rows))
    return folder


def test_it_learns_to_rank_by_relevance(prepared):
    built = prepared(base=BASE)
    of_nothing = main_ndcg(prepared(base={"name": "scores", "column": 1}), "train")
    assert main_ndcg(built, "train") > of_nothing + 0.1


def test_the_trees_that_rank_the_validation_lists_best_are_kept(prepared, lists):
    built = prepared(base=BASE)
    kept = by_prefix(built, lists)
    assert 1 <= len(kept) < 30
    assert main_ndcg(built, "validation") == pytest.approx(max(kept), abs=1e-6)
    assert kept[-1] == max(kept)


def test_more_patience_finds_trees_that_are_no_worse(prepared):
    short, long = (main_ndcg(prepared(base={**BASE, "patience": patience}), "validation") for patience in (1, 30))
    assert long >= short


@pytest.mark.slow
def test_any_number_of_threads_gives_the_same_bits(prepared):
    texts = set()
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        texts.add(text_of(prepared(base={**BASE, "features": 0.5})))
    assert len(texts) == 1


def test_the_seed_draws_the_columns_of_each_tree(task):
    texts = []
    for seed in (0, 0, 1):
        built = task(base={**BASE, "features": 0.5}, seed=seed)
        built.prepare(AccelerateTrainer(TrainerSettings(epochs=1, device="cpu"), seed=seed))
        texts.append(text_of(built))
    assert texts[0] == texts[1] != texts[2]


def test_restored_scores_are_the_same_bits(prepared, task):
    first, again = prepared(base=BASE), task(base=BASE)
    again.restore(first.state())
    for one, other in zip(first.batches("test"), again.batches("test"), strict=True):
        assert one.reference.equal(other.reference)


def test_scores_have_mean_zero_and_deviation_one_on_the_training_items(prepared):
    reference = prepared(base=BASE)._stores["train"].reference
    assert reference.mean().item() == pytest.approx(0.0, abs=1e-5)
    assert reference.std().item() == pytest.approx(1.0, abs=1e-4)


def test_its_text_is_a_model_file_that_the_base_lightgbm_reads(prepared, tmp_path):
    built = prepared(base=BASE)
    (tmp_path / "base.txt").write_text(text_of(built))
    again = prepared(base={"name": "lightgbm", "path": str(tmp_path / "base.txt")})
    for one, other in zip(built.batches("test"), again.batches("test"), strict=True):
        assert one.reference.equal(other.reference)


def test_labels_between_grades_are_learned_too(prepared, lists, tmp_path):
    """Two data sets whose gains are the same have the same trees: LightGBM itself would take whole grades only."""
    grades = prepared(base=BASE, main={"gain": "exp2"})
    data = relabelled(lists, tmp_path / "gains", "train", lambda grade: 2**grade - 1 + 0.0)
    gains = prepared(base=BASE, main={"gain": "linear"}, data=relabelled(data, tmp_path / "both", "vali", lambda g: 2**g - 1))
    halves = relabelled(lists, tmp_path / "halves", "train", lambda grade: grade / 2)
    assert text_of(grades) == text_of(gains)
    assert text_of(prepared(base=BASE, data=halves)) != text_of(grades)


def test_its_trees_are_a_job_that_is_timed_and_not_done_again(task, monkeypatch):
    class Kept(NoRecords):
        def finish(self, job, weights, account):
            done[job] = weights, account

        def finished(self, job):
            return done[job][0]

    done: dict = {}
    settings = TrainerSettings(epochs=1, device="cpu")
    first, again = task(base=BASE), task(base=BASE)
    first.prepare(AccelerateTrainer(settings, seed=0, records=Kept()))
    account = done["base"][1]
    assert (account.jobs, account.parameters) == (1, 0)
    assert account.separate_seconds == account.seconds > 0
    monkeypatch.setattr("moft_ltr.base.base_scores.train_lambdamart", None)
    again.prepare(AccelerateTrainer(settings, seed=0, records=Kept(), resume=True))
    assert text_of(again) == text_of(first)


def test_nothing_is_printed(prepared, capfd):
    prepared(base=BASE)
    out, err = capfd.readouterr()
    assert out == err == ""


def test_without_a_main_objective_it_is_refused(task):
    with pytest.raises(ConfigError, match=r"^\[task.base\] 'lambdamart' is trained on the main objective, but task.main is null"):
        task(base=BASE, main=None)


@pytest.mark.parametrize(
    ("setting", "message"),
    [({"leaves": 1}, "leaves: must be"), ({"features": 0}, "features: must be"), ({"path": "a"}, "path: unknown")],
)
def test_settings_out_of_range_and_a_path_are_refused(setting, message, task):
    with pytest.raises(ConfigError, match=message):
        task(base={**BASE, **setting})


def test_validation_lists_without_relevance_are_refused(prepared, lists, tmp_path):
    data = relabelled(lists, tmp_path / "data", "vali", lambda grade: 0)
    with pytest.raises(
        DataError, match=r"^\[task.base\] 'lambdamart' is selected by NDCG on the validation queries, but none has"
    ):
        prepared(base=BASE, data=data)


def test_trees_that_cannot_grow_are_refused(prepared, capfd):
    with pytest.raises(
        DataError, match=r"\[task.base\] every training document has the base score .*; choose a base ranker that ranks them"
    ):
        prepared(base={**BASE, "items": 70})
    assert capfd.readouterr().err == ""


def test_what_lightgbm_refuses_is_told_in_one_line(prepared, monkeypatch, capfd):
    import lightgbm

    def refusing(*_, **__):
        raise lightgbm.basic.LightGBMError("Number of rows 20000\nexceeds upper limit of 10000 for a query")

    monkeypatch.setattr(lightgbm.Booster, "update", refusing)
    with pytest.raises(
        DataError, match=r"^\[task.base\] LightGBM cannot train on these queries: Number of rows 20000 exceeds upper"
    ):
        prepared(base=BASE)


def test_without_lightgbm_its_package_is_named(prepared, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "lightgbm", None)
    with pytest.raises(ConfigError, match="trees need the package lightgbm: pip install"):
        prepared(base=BASE)


def test_lightgbm_that_lacks_a_library_is_told_with_the_reason(monkeypatch):
    import builtins

    from moft.api import import_lightgbm

    real = builtins.__import__

    def broken(name, *arguments, **more):
        if name == "lightgbm":
            raise OSError("libgomp.so.1: cannot open shared object file")
        return real(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", broken)
    with pytest.raises(ConfigError, match=r"\[task.base\] the package lightgbm is installed, but cannot be loaded \(libgomp"):
        import_lightgbm()


def shuffled(lists, folder, seed):
    """A copy of the lists with the queries of each file, and the documents of each query, in another order."""
    shutil.copytree(lists, folder)
    draws = np.random.default_rng(seed)
    for path in folder.glob("*.txt"):
        rows = [row for row in path.read_text().splitlines(keepends=True) if not row.startswith("#")]
        queries = {}
        for row in rows:
            queries.setdefault(row.split()[1], []).append(row)
        names = draws.permutation(list(queries))
        path.write_text("".join("".join(draws.permutation(queries[name])) for name in names))
    return folder


def test_the_order_of_the_file_changes_neither_the_trees_nor_their_number(prepared, lists, tmp_path):
    built = prepared(base=BASE)
    texts = {text_of(prepared(base=BASE, data=shuffled(lists, tmp_path / str(seed), seed))) for seed in range(3)}
    assert texts == {text_of(built)}


def test_early_stopping_does_not_see_the_order_of_the_file_where_scores_tie(prepared, lists, tmp_path):
    """One column of two values: few documents differ in their score, and the order of the others decided."""
    base = {**BASE, "trees": 20, "patience": 5, "leaves": 2}
    texts = set()
    for seed in range(3):
        data = shuffled(lists, tmp_path / str(seed), seed)
        for path in data.glob("*.txt"):
            rows = [row.split() for row in path.read_text().splitlines()]
            lines = [[*row[:2], f"1:{float(row[2][2:]) > 0:d}", *row[3:]] for row in rows]
            path.write_text("".join(" ".join(line) + "\n" for line in lines))
        built = prepared(base=base, data=data, features=[1])
        texts.add((text_of(built), round(main_ndcg(built, "test"), 12)))
    assert len(texts) == 1


def test_leaves_that_hold_more_than_the_data_are_refused_before_training(task, prepared):
    base = {**BASE, "items": 100_000}
    for used in (prepared, lambda **given: task(**given).check_inputs()):
        with pytest.raises(ConfigError, match=r"\[task.base.items\] 100000 is more than half of the \d+ training documents, so"):
            used(base=base)


def test_more_leaves_than_lightgbm_has_are_refused_by_the_config(task):
    with pytest.raises(ConfigError, match=r"leaves.*131072"):
        task(base={**BASE, "leaves": 200_000})
