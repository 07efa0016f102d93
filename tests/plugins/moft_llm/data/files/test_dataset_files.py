"""Finding rows: a file, a folder, the files of a split, a data set of the hub."""

from __future__ import annotations

import gzip
import json
import sys
from types import SimpleNamespace

import pytest

from moft import ConfigError, DataError
from moft_llm.data.files.dataset_files import rows


@pytest.fixture
def folder(tmp_path):
    """Makes a folder of files that hold their own names."""

    def made(*names):
        for name in names:
            (tmp_path / name).write_text(json.dumps({"from": name}))
        return str(tmp_path)

    return made


def names(path, split=None):
    return [row.values["from"] for row in rows(path, split)]


def test_a_folder_is_all_its_files_in_order(folder):
    assert names(folder("b.jsonl", "a.json", "notes.txt")) == ["a.json", "b.jsonl"]


def test_a_split_is_the_files_called_so(folder):
    path = folder("train-00000-of-00002.jsonl", "train-00001-of-00002.jsonl", "valid.jsonl", "test.json", "training.jsonl")
    assert names(path, "train") == ["train-00000-of-00002.jsonl", "train-00001-of-00002.jsonl"]
    assert names(path, "validation") == ["valid.jsonl"]
    assert names(path, "test") == ["test.json"]


def test_a_split_that_is_not_there_is_one_line(folder):
    with pytest.raises(DataError, match=r": no validation split; its file must be called vali or valid or validation or val"):
        names(folder("train.jsonl"), "validation")


@pytest.mark.parametrize("others", [("val.jsonl", "dev.jsonl"), ("val.jsonl", "val.json")])
def test_two_kinds_of_files_for_a_split_are_one_line(folder, others):
    with pytest.raises(DataError, match=r": more than one validation split \(.*, .*\); keep one\.$"):
        names(folder(*others), "validation")


def test_one_file_stores_no_split(folder):
    path = folder("data.jsonl") + "/data.jsonl"
    assert names(path) == ["data.jsonl"]
    with pytest.raises(DataError, match=r"data\.jsonl: one file stores no test split\. Give a folder with a file for each"):
        names(path, "test")


def test_an_empty_folder_and_a_missing_path_are_one_line(tmp_path):
    with pytest.raises(DataError, match=r": no file ends in \.jsonl, \.json, \.parquet\.$"):
        names(str(tmp_path))
    for path in (str(tmp_path / "none"), "data/none.jsonl"):
        with pytest.raises(DataError, match=r"none(\.jsonl)?: no such file or folder\.$"):
            names(path)


def test_an_empty_path_is_not_the_folder_that_one_stands_in(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lists.jsonl").write_text("{}\n", encoding="utf-8")
    for path in ("", " "):
        with pytest.raises(
            DataError, match=r"^\[task\.data\] path is empty; give a file, a folder or a dataset on the Hugging Face hub\.$"
        ):
            names(path)


@pytest.fixture
def hub(monkeypatch):
    """A hub that knows one data set, and what it was asked for."""
    asked = []

    def load_dataset(name, subset):
        asked.append((name, subset))
        if name != "owner/known":
            raise ConnectionError("no\nnetwork")
        return {"train": [{"from": "a"}, {"from": "b"}], "dev": [{"from": "c"}], "extra": [{"from": "d"}]}

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    return asked


def test_a_data_set_of_the_hub_is_read_by_name_subset_and_split(hub):
    assert names("owner/known") == ["a", "b", "c", "d"]
    assert names("owner/known:part", "validation") == ["c"]
    assert hub == [("owner/known", None), ("owner/known", "part")]
    assert [row.where for row in rows("owner/known", "train")] == ["owner/known (train), row 1", "owner/known (train), row 2"]


def test_what_the_hub_does_not_have_is_one_line(hub):
    with pytest.raises(DataError, match=r"^owner/known: no test split; its splits are train, dev, extra\.$"):
        names("owner/known", "test")
    with pytest.raises(
        DataError,
        match=r"^owner/none: no such file or folder, and no readable dataset on the Hugging Face hub \(no network\)\.$",
    ):
        names("owner/none")


def test_the_hub_without_datasets_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(
        ConfigError, match=r"^owner/known: no such file .* need the package datasets: pip install 'moft\[llm\]'\.$"
    ):
        names("owner/known")


def test_rows_of_the_real_package_are_plain(monkeypatch):
    datasets = pytest.importorskip("datasets")
    values = [{"prompt": [{"role": "user", "content": "x"}], "labels": {"good": [1.0, None]}}]
    stored = datasets.DatasetDict({"train": datasets.Dataset.from_list(values)})
    monkeypatch.setattr(datasets, "load_dataset", lambda name, subset: stored)
    assert [row.values for row in rows("owner/known")] == values


def test_a_split_may_have_any_name_and_a_snapshot_has_a_folder_data(tmp_path):
    (tmp_path / "data").mkdir()
    for name in ("train_prefs-00000-of-00001-64975a.jsonl", "train_sft-00000-of-00001-4f.jsonl", "test_prefs.jsonl"):
        (tmp_path / "data" / name).write_text(json.dumps({"from": name.split("-")[0]}) + "\n")
    (tmp_path / "dataset_infos.json").write_text("{}")
    assert names(str(tmp_path), "train_prefs") == ["train_prefs"]
    with pytest.raises(
        DataError,
        match=r": no train_dpo split; its file must be called train_dpo\. There is test_prefs, train_prefs, train_sft\.$",
    ):
        names(str(tmp_path), "train_dpo")


def test_a_folder_without_files_says_which_folders_it_has(tmp_path):
    for name in ("harmless-base", "helpful-base"):
        (tmp_path / name).mkdir()
    with pytest.raises(
        DataError, match=r": no file ends in .* It has the folders harmless-base, helpful-base; name one of them\.$"
    ):
        names(str(tmp_path))


def test_files_may_be_compressed(tmp_path):
    for name in ("train.jsonl.gz", "test.json.gz"):
        with gzip.open(tmp_path / name, "wt") as file:
            file.write(json.dumps({"from": name}))
    assert names(str(tmp_path), "train") == ["train.jsonl.gz"]
    assert [row.where for row in rows(str(tmp_path / "train.jsonl.gz"))] == [f"{tmp_path}/train.jsonl.gz:1"]
    assert names(str(tmp_path / "test.json.gz")) == ["test.json.gz"]
    for content in (b"{}", (tmp_path / "train.jsonl.gz").read_bytes()[:-9]):
        (tmp_path / "cut.jsonl.gz").write_bytes(content)
        with pytest.raises(DataError, match=r"cut\.jsonl\.gz: cannot be read \("):
            names(str(tmp_path / "cut.jsonl.gz"))


def test_splits_of_the_hub_may_have_any_name(hub):
    assert names("owner/known", "extra") == ["d"]
