"""Opening data, through the cache or as a folder, and finding it by name and split."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from moft import DataError
from moft_ltr.data.dataset import find_data, open_dataset, split_file
from moft_ltr.data.readers.cache_key import cache_entry
from moft_ltr.data.readers.svmlight import convert

TEXT = "1 qid:3 1:2\n0 qid:3 2:1\n2 qid:8 1:1\n"


def text_file(tmp_path: Path, text: str = TEXT) -> Path:
    path = tmp_path / "data.txt"
    path.write_text(text)
    return path


def test_a_file_opens_with_its_own_path_and_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text_file(tmp_path)
    monkeypatch.chdir(tmp_path)
    data = open_dataset(Path("data.txt"), tmp_path / "cache")
    assert data.source == "data.txt"
    assert data.sha256 == hashlib.sha256(TEXT.encode()).hexdigest()
    assert data.features.tolist() == [[2, 0], [0, 1], [1, 0]]
    assert data.labels == {}


def test_a_file_is_converted_once(tmp_path: Path) -> None:
    path, cache = text_file(tmp_path), tmp_path / "cache"
    open_dataset(path, cache)
    entry = cache_entry(path, cache) / "features.npy"
    before = entry.stat()
    open_dataset(path, cache)
    assert entry.stat().st_mtime_ns == before.st_mtime_ns
    assert entry.stat().st_ino == before.st_ino


def test_a_changed_file_is_converted_again(tmp_path: Path) -> None:
    path, cache = text_file(tmp_path), tmp_path / "cache"
    first = open_dataset(path, cache)
    state = path.stat()
    path.write_text(TEXT.replace("1:2", "1:7"))
    os.utime(path, ns=(0, state.st_mtime_ns + 1))
    second = open_dataset(path, cache)
    assert (first.features[0, 0], second.features[0, 0]) == (2, 7)
    assert first.sha256 != second.sha256


def test_a_damaged_cache_entry_is_made_again(tmp_path: Path) -> None:
    path, cache = text_file(tmp_path), tmp_path / "cache"
    good = np.array(open_dataset(path, cache).features)
    entry = cache_entry(path, cache) / "features.npy"
    entry.write_bytes(entry.read_bytes()[:-1])
    assert np.array_equal(open_dataset(path, cache).features, good)


def test_a_fault_in_the_file_leaves_nothing_in_the_cache(tmp_path: Path) -> None:
    path, cache = text_file(tmp_path, TEXT + "oops\n"), tmp_path / "cache"
    with pytest.raises(DataError, match=r"data\.txt:4: 'oops' is not a number"):
        open_dataset(path, cache)
    assert list((cache / "svmlight").iterdir()) == []


def test_a_compressed_file_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "data.txt.gz"
    path.write_text(TEXT)
    with pytest.raises(DataError, match=r"data\.txt\.gz: is compressed, which is not supported"):
        open_dataset(path, tmp_path / "cache")


def test_a_missing_path_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone: no such file or folder"):
        open_dataset(tmp_path / "gone", tmp_path)


def test_a_foreign_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is not a converted dataset: it has no meta\.json\. Make one: `moft data convert"):
        open_dataset(tmp_path, tmp_path)


def test_a_converted_folder_keeps_the_hash_of_its_source(tmp_path: Path) -> None:
    path = text_file(tmp_path)
    convert(path, tmp_path / "out", labels={"clicks": 2})
    data = open_dataset(tmp_path / "out", tmp_path)
    assert data.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert data.source == str(tmp_path / "out")
    assert data.labels == {"clicks": 2}


def test_a_path_wins_over_a_fetched_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched = tmp_path / "cache" / "data" / "some"
    fetched.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert find_data("some", tmp_path / "cache") == fetched
    (tmp_path / "some").mkdir()
    assert find_data("some", tmp_path / "cache") == Path("some")


def test_data_that_is_nowhere_names_both_places(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        find_data("mine", tmp_path)
    assert "'mine': no such file or folder" in str(caught.value)
    assert str(tmp_path / "data" / "mine") in str(caught.value)
    assert "moft data get" not in str(caught.value)
    with pytest.raises(DataError, match="Run `moft data get mslr-sample` to download it"):
        find_data("mslr-sample", tmp_path)


@pytest.mark.parametrize(
    "name", ["train.txt", "train/", "vali.txt", "valid/", "validation.txt", "val/", "dev/", "dev.txt", "test/"]
)
def test_a_split_is_found_under_each_of_its_spellings(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.endswith("/"):
        path.mkdir()
    else:
        path.write_text(TEXT)
    split = {"tr": "train", "te": "test"}.get(name[:2], "validation")
    assert split_file(tmp_path, split) == path


def test_a_missing_split_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no validation split; looked for vali\.txt, vali/, valid\.txt, valid/, "):
        split_file(tmp_path, "validation")


def test_two_files_for_one_split_are_refused(tmp_path: Path) -> None:
    (tmp_path / "vali.txt").write_text(TEXT)
    (tmp_path / "dev.txt").write_text(TEXT)
    with pytest.raises(DataError, match=r"more than one validation split \(vali\.txt, dev\.txt\); keep one"):
        split_file(tmp_path, "validation")


def test_a_file_where_a_folder_of_splits_should_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data\.txt: is not a folder; name the folder that has the train split"):
        split_file(text_file(tmp_path), "train")


def test_an_unknown_split_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="split 'holdout' is unknown; available: train, validation, test"):
        split_file(tmp_path, "holdout")


def test_a_place_has_a_line_only_where_one_is_known(tmp_path: Path) -> None:
    path = tmp_path / "data.txt"
    path.write_text("1 qid:1 1:5\n0 qid:1 1:6\n1 qid:2 1:5\n0 qid:2 1:6\n")
    data = open_dataset(path, tmp_path / "cache")
    assert data.place(1) == f"{path}:3"
    assert replace(data, lines=0 * data.lines).place(1) == str(path)
