"""Converted data sets are written whole, and read back only when whole."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest

from moft import DataError
from moft_ltr.data.converted.dataset_folder import NO_TABLE, QueryIndex, content_hash, new_folder, read_meta, write_dataset
from moft_ltr.data.dataset import open_dataset

LISTS = QueryIndex(np.array([0, 2, 5]), np.array([4, 9]), np.array([0, 0]))
FEATURES = np.arange(15, dtype=np.float32).reshape(5, 3)
RELEVANCE = np.arange(5, dtype=np.float32)


def write(folder: Path, cut: int = 2) -> None:
    blocks = [(FEATURES[:cut], RELEVANCE[:cut]), (FEATURES[cut:], RELEVANCE[cut:])]
    write_dataset(folder, blocks, LISTS, columns=3, source="made", labels={"clicks": 3})


def test_what_is_written_is_read_back_read_only(tmp_path: Path) -> None:
    write(tmp_path / "set")
    data = open_dataset(tmp_path / "set", tmp_path)
    assert isinstance(data.features, np.memmap)
    assert not data.features.flags.writeable
    assert np.array_equal(data.features, FEATURES)
    assert np.array_equal(data.relevance, RELEVANCE)
    assert (len(data), data.columns, data.labels) == (2, 3, {"clicks": 3})


def test_the_content_hash_sees_values_and_lists_but_not_blocks(tmp_path: Path) -> None:
    write(tmp_path / "one", cut=1)
    write(tmp_path / "other", cut=4)
    one = read_meta(tmp_path / "one")["sha256"]
    assert one == read_meta(tmp_path / "other")["sha256"] == content_hash(FEATURES, RELEVANCE, LISTS)
    parts = [FEATURES, RELEVANCE, LISTS.offsets, LISTS.qids]
    assert one == hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()
    assert one != content_hash(FEATURES + 1, RELEVANCE, LISTS)
    assert one != content_hash(FEATURES, RELEVANCE, QueryIndex(np.array([0, 3, 5]), LISTS.qids, LISTS.lines))


def test_a_folder_takes_its_name_only_when_all_went_well(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "set"

    def interrupted() -> None:
        with new_folder(target) as folder:
            (folder / "half").write_text("x")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(target.parent.iterdir()) == []
    with new_folder(target) as folder:
        (folder / "whole").write_text("x")
        assert not target.exists()
    assert [path.name for path in target.parent.iterdir()] == ["set"]


def test_a_folder_that_another_process_made_meanwhile_stays(tmp_path: Path) -> None:
    with new_folder(tmp_path / "set") as folder:
        (folder / "ours").write_text("x")
        (tmp_path / "set").mkdir()
        (tmp_path / "set" / "theirs").write_text("x")
    assert [path.name for path in tmp_path.rglob("*")] == ["set", "theirs"]


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match=r"set: cannot be written: Not a directory"), new_folder(tmp_path / "file" / "set"):
        pass


@pytest.mark.parametrize("name", ["features", "relevance", "offsets", "qids", "lines"])
def test_an_array_cut_short_missing_or_of_another_shape_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "set" / f"{name}.npy"
    write(tmp_path / "set")
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(DataError, match=rf"{name}\.npy: is truncated or not an array"):
        open_dataset(tmp_path / "set", tmp_path)
    np.save(path, np.zeros(7))
    with pytest.raises(DataError, match=rf"{name}\.npy: has float64 \[7\], but meta.json says"):
        open_dataset(tmp_path / "set", tmp_path)
    path.unlink()
    with pytest.raises(DataError, match=rf"{name}\.npy: is missing"):
        open_dataset(tmp_path / "set", tmp_path)


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    write(tmp_path / "set")
    np.save(tmp_path / "set" / "qids.npy", np.array([{}, {}], dtype=object))
    with pytest.raises(DataError, match=r"qids\.npy: is truncated or not an array"):
        open_dataset(tmp_path / "set", tmp_path)


@pytest.mark.parametrize("offsets", [[1, 2, 5], [0, 2, 4], [0, 0, 5], [0, 6, 5]])
def test_offsets_that_do_not_ascend_over_all_items_are_refused(tmp_path: Path, offsets: list[int]) -> None:
    write(tmp_path / "set")
    np.save(tmp_path / "set" / "offsets.npy", np.array(offsets))
    with pytest.raises(DataError, match=r"offsets\.npy does not ascend from 0 to 5 as meta\.json says"):
        open_dataset(tmp_path / "set", tmp_path)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"schema": 99}, "schema is 99; this version of moft reads 1 and 2"),
        ({"items": "five"}, "needs lists, items, columns, sha256 and labels"),
        ({"labels": {"clicks": 4}}, "label 'clicks' is column 4; the data has columns 1 to 3"),
    ],
)
def test_meta_that_does_not_fit_is_refused(tmp_path: Path, change: dict[str, object], expected: str) -> None:
    write(tmp_path / "set")
    path = tmp_path / "set" / "meta.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(DataError, match=expected):
        open_dataset(tmp_path / "set", tmp_path)


@pytest.mark.parametrize("text", ["{", "[]"])
def test_meta_that_is_no_record_is_refused(tmp_path: Path, text: str) -> None:
    write(tmp_path / "set")
    (tmp_path / "set" / "meta.json").write_text(text)
    with pytest.raises(DataError, match=r"meta\.json: "):
        open_dataset(tmp_path / "set", tmp_path)


def test_a_folder_of_version_1_still_opens(tmp_path: Path) -> None:
    write(tmp_path / "set")
    path = tmp_path / "set" / "meta.json"
    old = {"schema": 1} | {
        key: value
        for key, value in json.loads(path.read_text()).items()
        if key in ("source", "sha256", "lists", "items", "columns", "labels")
    }
    path.write_text(json.dumps(old))
    data = open_dataset(tmp_path / "set", tmp_path)
    assert (data.qids.tolist(), data.labels, data.facts) == ([4, 9], {"clicks": 3}, NO_TABLE)


@pytest.mark.parametrize(
    "change",
    [
        {"qids": "float"},
        {"item_ids": 3},
        {"names": ["a", "a", "b"]},
        {"names": ["a"]},
        {"categories": {"4": []}},
        {"categories": {"x": []}},
        {"categories": {"1": [0.5]}},
        {"features": [0]},
        {"files": [["a"]]},
        {"missing": 0},
        {"relevance": None},
        {"split": 3},
        {"text": []},
    ],
)
def test_facts_of_another_form_are_refused(tmp_path: Path, change: dict[str, object]) -> None:
    write(tmp_path / "set")
    path = tmp_path / "set" / "meta.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(DataError, match=r"meta\.json: a value has another form than moft writes"):
        open_dataset(tmp_path / "set", tmp_path)


@pytest.mark.parametrize(
    ("number", "is_cache", "told"),
    [
        (errno.ENOSPC, True, "No space left on device. Nothing was left there; free some space or choose another folder. It is"),
        (errno.EACCES, True, "Permission denied. Nothing was left there. It is the cache folder of moft: set MOFT_CACHE"),
        (errno.EROFS, False, "Read-only file system. Nothing was left there; choose another folder."),
    ],
)
def test_only_a_full_disk_needs_space(number, is_cache, told, tmp_path, monkeypatch):
    monkeypatch.setenv("MOFT_CACHE", str(tmp_path if is_cache else tmp_path / "other"))
    with pytest.raises(DataError) as error, new_folder(tmp_path / "set"):
        raise OSError(number, os.strerror(number))
    assert str(error.value).startswith(f"{tmp_path / 'set'}: cannot be written: {told}")
