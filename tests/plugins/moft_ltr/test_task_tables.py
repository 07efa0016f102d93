"""The ranking task over tables: columns by name, missing labels and features, base models by name, frames that are scored."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch

import moft_ltr
from moft import ConfigError, DataError
from moft.engine.training.trainer import AccelerateTrainer
from moft.engine.training.trainer_settings import TrainerSettings
from moft.testing import check_task
from moft_ltr.data.dataset import open_dataset

OBJECTIVES = {
    "clicks": {"column": "clicks", "transform": "log1p"},
    "dwell": {"column": "dwell", "transform": ["log1p", "min-max"]},
}


def rows(first, lists, seed=0):
    """Queries with text ids, a feature with missing values, one of categories, and labels, some missing."""
    draws = np.random.default_rng([seed, first])
    lengths = draws.integers(3, 7, lists)
    count = int(lengths.sum())
    frame = pd.DataFrame(
        {
            "query": np.repeat([f"q{first + number}" for number in range(lists)], lengths),
            "item": [f"d{number}" for number in range(count)],
            "a": draws.standard_normal(count),
            "b": draws.standard_normal(count),
            "lost": np.where(draws.random(count) < 0.3, np.nan, draws.standard_normal(count)),
            "brand": pd.Categorical(draws.choice(["x", "y", "z", None], count), categories=["x", "y", "z"]),
            "store": draws.choice([3, 7, 11], count),
        }
    )
    frame["clicks"] = (frame.a * 2 + draws.standard_normal(count)).round().clip(0)
    frame["dwell"] = np.where(draws.random(count) < 0.2, np.nan, (frame.b + draws.standard_normal(count)).clip(0))
    frame["grade"] = (frame.a + frame.lost.fillna(0) + 2 * (frame.brand == "x") + (frame.store == 7)).round().clip(0, 4)
    return frame


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A folder with a table of another format for each split."""
    folder = tmp_path_factory.mktemp("shop")
    rows(0, 20).to_parquet(folder / "train.parquet")
    rows(100, 8)[::1].sort_index(axis=1).to_csv(folder / "vali.csv", index=False)
    rows(200, 8).to_feather(folder / "test.feather")
    return folder


@pytest.fixture
def tables(task, shop):
    """The task over tables; settings replace those of this example."""

    def built(**settings):
        given = {
            "data": shop,
            "objectives": OBJECTIVES,
            "main": {"column": "grade"},
            "features": ["a", "b"],
            "categorical": ["store"],
            "base": {"name": "scores", "column": "a"},
        }
        return task(**given | {"features": ["b"]} | settings)

    return built


class Notes(AccelerateTrainer):
    """A trainer that keeps the notes."""

    def __init__(self):
        super().__init__(TrainerSettings(epochs=1, device="cpu"), seed=0)
        self.told = []

    def note(self, text):
        self.told.append(text)


@pytest.fixture
def trained(tables):
    def made(**settings):
        built, trainer = tables(**settings), Notes()
        built.prepare(trainer)
        built.notes = trainer.told
        return built

    return made


def test_a_task_over_tables_keeps_its_contract(trained):
    check_task(trained())


def test_labels_that_are_missing_are_masked_and_counted(trained, shop):
    built = trained()
    frame = pd.read_parquet(shop / "train.parquet")
    note = next(text for text in built.notes if text.startswith("dwell") and "have no label" in text)
    assert f"{frame.dwell.isna().sum()} of {len(frame)} training documents" in note
    batch = next(iter(built.batches("train")))
    assert batch.mask[..., 0].equal(batch.items)
    assert not batch.mask[..., 1].equal(batch.items)
    assert batch.labels.isfinite().all()
    judged = sum(int(batch.mask[..., 1].sum()) for batch in built.batches("train"))
    assert judged == frame.dwell.notna().sum()


def test_labels_are_transformed_as_if_the_missing_ones_were_not_there(trained, shop):
    frame = pd.read_parquet(shop / "train.parquet")
    logs = np.log1p(frame.dwell)
    low, high = (logs.groupby(frame["query"]).transform(how) for how in ("min", "max"))
    expected = ((logs - low) / (high - low).where(high > low, 1)).dropna()
    found = torch.cat([batch.labels[..., 1][batch.mask[..., 1]] for batch in trained().batches("train")])
    assert np.allclose(np.sort(found.numpy()), np.sort(expected), atol=1e-6)


def test_missing_main_labels_count_as_zero_and_are_noted(trained, shop):
    built = trained(main={"column": "dwell"})
    assert any("documents have no label of the main objective; they count as 0" in text for text in built.notes)
    assert all(batch.main.isfinite().all() for batch in built.batches("train"))


@pytest.mark.parametrize("listed", [None, ["store", "brand", "lost", "a"]])
@pytest.mark.parametrize("by_pandas", [True, False])
def test_the_reference_is_what_a_lightgbm_model_predicts_on_the_frame(by_pandas, listed, trained, shop, tmp_path):
    lightgbm = pytest.importorskip("lightgbm")
    names, train = ["store", "brand", "lost", "a"], rows(0, 20)

    def read(frame):
        frame = frame[names].astype({"store": pd.CategoricalDtype([3, 7, 11])})
        return (
            frame if by_pandas else frame.assign(brand=frame.brand.cat.codes.replace(-1, np.nan), store=frame.store.astype(int))
        )

    group = train.groupby("query", sort=False).size().to_numpy()
    given = {"objective": "lambdarank", "verbosity": -1, "num_threads": 1, "min_data_in_leaf": 3, "min_data_per_group": 3}
    categorical = {} if by_pandas else {"categorical_feature": [0]}
    booster = lightgbm.train(given, lightgbm.Dataset(read(train), train.grade, group=group, **categorical), 10)
    booster.save_model(tmp_path / "model.txt")
    if not by_pandas:
        folder = tmp_path / "codes"
        folder.mkdir()
        for split, frame in (("train", train), ("vali", rows(100, 8)), ("test", rows(200, 8))):
            frame.assign(brand=frame.brand.cat.codes.replace(-1, np.nan)).to_parquet(folder / f"{split}.parquet")
        shop = folder
    built = trained(
        data=shop, base={"name": "lightgbm", "path": str(tmp_path / "model.txt"), "columns": listed}, features=["b", "a"]
    )
    assert not [text for text in built.notes if "The data has no names" in text]
    mean, deviation = built.state()["reference"].tolist()
    for split, frame in (("train", train), ("test", rows(200, 8))):
        own = booster.predict(read(frame), raw_score=True)
        batches = built.batches(split)
        found = np.concatenate([batches.load(torch.tensor([i])).reference[0].numpy() for i in range(batches.lists)])
        assert np.abs(found * deviation + mean - own).max() < 1e-6


def test_a_feature_of_the_base_model_that_the_data_does_not_have_is_named(tables, tmp_path):
    lightgbm = pytest.importorskip("lightgbm")
    train = rows(0, 20)
    data = lightgbm.Dataset(train[["a", "b"]].set_axis(["a", "bb"], axis=1), train.grade, group=[len(train)])
    lightgbm.train({"objective": "lambdarank", "verbosity": -1, "num_threads": 1}, data, 2).save_model(tmp_path / "m.txt")
    with pytest.raises(
        DataError, match=r"train\.parquet: has no column 'bb', which is feature 2 of the LightGBM model; the nearest"
    ):
        tables(base={"name": "lightgbm", "path": str(tmp_path / "m.txt")}).check_inputs()


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"features": ["bb"]}, r"task\.features: there is no column 'bb'; the (nearest|columns) are"),
        ({"features": ["b", "b"]}, r"column 'b' is listed twice"),
        ({"features": ["clicks"]}, r"column 'clicks' is the label of 'clicks'; a label cannot be a feature"),
        ({"labels": ["b"]}, r"column 'b' is in task\.labels; a label cannot be a feature"),
        (
            {"objectives": {"c": {"column": "click"}}},
            r"task\.objectives\.c\.column: there is no column 'click'; the nearest are 'click",
        ),
        ({"main": {}}, r"has no relevance beside its columns\. Set task\.main"),
        ({"exclude": ["nothing"]}, r"exclude: there is no column 'nothing'"),
        ({"categorical": ["a"]}, r"row 1: column 'a' is categorical, but holds"),
        ({"query": "nothing"}, r"query: there is no column 'nothing'"),
        ({"split": "brand"}, r"has a file for each split; leave task\.split out"),
        ({"split": {"train": 0.5, "test": 0.5}}, r"shares of train, validation and test that add up to 1"),
        (
            {"objectives": {"c": {"column": "a"}}, "base": {"name": "scores", "column": "store"}},
            r"row \d+: column 'a' of query 'q\d+': label -",
        ),
    ],
)
def test_mistakes_are_one_line_before_training(settings, expected, tables):
    with pytest.raises((DataError, ConfigError), match=expected) as error:
        tables(**{"features": ["b"], "base": {"name": "scores", "column": "a"}} | settings).check_inputs()
    assert "\n" not in str(error.value)


def test_text_has_to_be_excluded_or_be_categories(tables, shop, tmp_path):
    (tmp_path / "text").mkdir()
    for name in ("train", "vali", "test"):
        rows(0, 8).assign(title="blue").to_parquet(tmp_path / "text" / f"{name}.parquet")
    given = {"data": tmp_path / "text", "features": None, "labels": ["grade"]}
    with pytest.raises(
        DataError,
        match=r"'title' holds text, such as 'blue' in row 1, and no numbers\. List it in task\.exclude, or",
    ):
        tables(**given).check_inputs()
    tables(**given, exclude=["title"]).check_inputs()


def test_a_query_in_two_splits_is_noted(trained, tmp_path):
    (tmp_path / "twice").mkdir()
    for name, first in (("train", 0), ("vali", 100), ("test", 5)):
        rows(first, 12, seed=first).to_parquet(tmp_path / "twice" / f"{name}.parquet")
    notes = trained(data=tmp_path / "twice").notes
    assert any(text.startswith("7 of 12 test queries have the id of a query of the train split, such as 'q10'") for text in notes)


def test_a_frame_is_scored_as_the_file_whatever_the_order_of_its_columns(trained, shop):
    built, frame = trained(), rows(200, 8)
    first = built.read(shop / "test.feather")
    for other in (frame.iloc[:, ::-1], frame.drop(columns=["clicks", "dwell", "grade", "lost"]), pl.from_pandas(frame)):
        again = built.read_frame(other)
        assert (again.names, again.item_names) == (first.names, first.item_names)
        assert again.names[0] == "q200"
        for one, two in zip(first, again, strict=True):
            assert one.inputs["features"].equal(two.inputs["features"])
            assert one.reference.equal(two.reference)
            assert not two.mask.any()


def test_a_frame_without_a_column_that_is_read_is_refused(trained):
    for column in ("a", "b"):
        with pytest.raises(DataError, match=f"the frame: has no column '{column}', which the ranker or its base model reads"):
            trained().read_frame(rows(200, 8).drop(columns=column))


def test_what_it_knows_of_the_columns_is_saved(trained, tables, shop):
    built, again = trained(), tables()
    again.restore(built.state())
    frame = rows(300, 3).iloc[:, ::-1]
    for one, two in zip(built.read_frame(frame), again.read_frame(frame), strict=True):
        assert one.inputs["features"].equal(two.inputs["features"])
    with pytest.raises(DataError, match="the names of its columns are no JSON"):
        tables().restore({**built.state(), "table": torch.tensor(list(b"{"), dtype=torch.uint8)})


@pytest.mark.parametrize("base", [{"name": "scores", "column": 1}, {"name": "lightgbm", "path": "m.txt"}])
def test_a_run_on_numbered_columns_scores_arrays(base, prepared, lists, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    read = open_dataset(lists / "test.txt", lists)
    lightgbm = pytest.importorskip("lightgbm")
    names = [f"named_{number}" for number in range(8)]
    data = lightgbm.Dataset(np.array(read.features[:, :8]), np.array(read.relevance), feature_name=names)
    lightgbm.train({"verbosity": -1, "num_threads": 1, "min_data_in_leaf": 3}, data, 3).save_model("m.txt")
    built = prepared(base=base)
    table = moft_ltr.table(read.features[:, :8], np.diff(read.offsets))
    for one, two in zip(built.read(lists / "test.txt"), built.read_frame(table), strict=True):
        assert one.inputs["features"].equal(two.inputs["features"])
        assert one.reference.equal(two.reference)
    with pytest.raises(DataError, match=r"has no column '[12]', which the ranker or its base model reads"):
        built.read_frame(table.rename_columns(["query", *names]))


@pytest.mark.parametrize("split", ["part", {"train": 0.5, "vali": 0.25, "test": 0.25}])
def test_one_table_is_split_by_a_column_or_by_a_hash_of_the_ids(split, trained, tmp_path):
    frame = rows(0, 40)
    number = frame["query"].str[1:].astype(int)
    frame["part"] = np.select([number < 20, number < 30], ["train", "dev"], "test")
    frame.to_parquet(tmp_path / "all.parquet")
    given = {"split": split, "exclude": [] if split == "part" else ["part"]}
    built = trained(data=tmp_path / "all.parquet", **given)
    counts = [built.batches(name).lists for name in ("train", "validation", "test")]
    assert sum(counts) == 40
    assert counts == [20, 10, 10] if split == "part" else counts[0] > max(counts[1:])
    json.dumps(built.identity())
    reversed_rows = frame.iloc[::-1]
    reversed_rows.to_parquet(tmp_path / "other.parquet")
    other = trained(data=tmp_path / "other.parquet", **given)
    for name in ("train", "validation", "test"):
        ids = [set(part.data.qids[part.lists]) for one in (built, other) for part in one._open_splits()[name]]
        assert ids[0] == ids[1]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, r"all\.parquet: is not a folder with a file for each split\. Set task\.split"),
        ({"split": "part"}, r"column 'part' puts none of its 40 queries into the validation split"),
        ({"split": "parts"}, r"split: there is no column 'parts'; the nearest are 'part'"),
        ({"split": {"train": 0.98, "validation": 0.01, "test": 0.01}}, r"put none of its 40 queries into the \w+ split"),
        ({"split": {"train": 0.8, "validation": 0.1, "test": 0.1}, "folds": 4}, r"both make splits; set one of them to null"),
    ],
)
def test_one_table_that_cannot_be_split_is_one_line(change, expected, tables, tmp_path):
    rows(0, 40).assign(part="train").to_parquet(tmp_path / "all.parquet")
    with pytest.raises((DataError, ConfigError), match=expected):
        tables(data=tmp_path / "all.parquet", **change).check_inputs()


def test_one_table_can_be_dealt_into_folds(trained, tmp_path):
    rows(0, 40).to_parquet(tmp_path / "all.parquet")
    built = trained(data=tmp_path / "all.parquet", folds=4, fold=1)
    assert [built.batches(name).lists for name in ("train", "validation", "test")] == [20, 10, 10]


def test_a_converted_folder_with_another_layout_is_refused(trained, tables, shop, tmp_path):
    (tmp_path / "set").mkdir()
    for name, frame in (("train", rows(0, 8)), ("vali", rows(100, 8)), ("test", rows(200, 8))):
        like = None if name == "train" else tmp_path / "set" / "train"
        moft_ltr.write_data(tmp_path / "set" / name, frame, like=like)
    trained(data=tmp_path / "set", categorical=None)
    moft_ltr.write_data(tmp_path / "other", rows(0, 8).iloc[:, ::-1])
    built = trained(data=tmp_path / "set", categorical=None)
    with pytest.raises(DataError, match=r"other: column 1 is 'grade', but 'a' in the training split\. Convert its source again"):
        built.read(tmp_path / "other")


def test_a_base_model_that_needs_more_than_32_bits_is_refused_with_its_row(tables, tmp_path):
    lightgbm = pytest.importorskip("lightgbm")
    (tmp_path / "fine").mkdir()
    frames = {name: rows(first, 20) for name, first in (("train", 0), ("vali", 100), ("test", 200))}
    for name, frame in frames.items():
        frame["a"] = 1e9 + frame["grade"]
        frame.to_parquet(tmp_path / "fine" / f"{name}.parquet")
    train = frames["train"]
    group = train.groupby("query", sort=False).size().to_numpy()
    given = {"objective": "lambdarank", "verbosity": -1, "num_threads": 1, "min_data_in_leaf": 3}
    lightgbm.train(given, lightgbm.Dataset(train[["a", "b"]], train.grade, group=group), 5).save_model(tmp_path / "m.txt")
    with pytest.raises(DataError, match=r"train\.parquet, row \d+: the LightGBM model scores this row .* with 32 bits"):
        tables(data=tmp_path / "fine", base={"name": "lightgbm", "path": str(tmp_path / "m.txt")}).check_inputs()
    with pytest.raises(DataError, match=r"train\.parquet, row \d+: the base score \d+ in column 'a' is .* with 32 bits"):
        tables(data=tmp_path / "fine", base={"name": "scores", "column": "a"}).check_inputs()


def test_a_converted_folder_is_read_as_it_was_converted(tables, trained, tmp_path):
    frame = rows(0, 40)
    frame["part"] = np.where(frame["query"].str[1:].astype(int) < 20, "train", "test")
    frame.loc[frame["query"].str[1:].astype(int) > 30, "part"] = "valid"
    moft_ltr.write_data(tmp_path / "all", frame, split="part")
    built = trained(data=tmp_path / "all", categorical=None)
    assert [built.batches(name).lists for name in ("train", "validation", "test")] == [20, 9, 11]
    with pytest.raises(ConfigError, match=r"was converted with the splits of column 'part'; convert its source with --split a"):
        tables(data=tmp_path / "all", categorical=None, split="a").check_inputs()
    with pytest.raises(DataError, match=r"column 'store' was not converted as categories; convert it with --categorical store"):
        tables(data=tmp_path / "all").check_inputs()


def test_a_word_among_numbers_is_named_with_its_row(tables, tmp_path):
    (tmp_path / "word").mkdir()
    for name in ("train", "vali", "test"):
        frame = rows(0, 8).astype({"clicks": str})
        frame.loc[3, "clicks"] = "n/a?"
        frame.to_csv(tmp_path / "word" / f"{name}.csv", index=False)
    with pytest.raises(DataError, match=r"column 'clicks' holds text, such as 'n/a\?' in row 4, and no numbers"):
        tables(data=tmp_path / "word").check_inputs()


def test_a_feature_that_gives_a_label_away_is_noted_although_labels_are_missing(trained, tmp_path):
    (tmp_path / "leak").mkdir()
    for name, first in (("train", 0), ("vali", 100), ("test", 200)):
        rows(first, 30).assign(b=lambda frame: frame.dwell.fillna(0.5)).to_parquet(tmp_path / "leak" / f"{name}.parquet")
    notes = trained(data=tmp_path / "leak").notes
    assert any(text.startswith("dwell: column b among") and "task.exclude: ['b']" in text for text in notes)
