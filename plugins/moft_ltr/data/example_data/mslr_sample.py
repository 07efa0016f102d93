"""Downloads the dataset `mslr-sample`: 84 complete queries of MSLR-WEB10K that the package rankeval ships for its tests."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from moft import DataError
from moft.api import download_wheel, parse_json, temporary_folder, wheel_member
from moft_ltr.data.converted.dataset_folder import QueryIndex, content_hash, new_folder, write_dataset
from moft_ltr.data.dataset import Dataset, open_dataset
from moft_ltr.data.readers.svmlight import convert

PACKAGE = "rankeval==0.8.2"
MEMBER = "rankeval/test/data/msn1.fold1.{name}.5k.txt"
SHA256: Mapping[str, str] = {
    "train": "6d1721de961a35fbaef7085dc5b41e2940f0ddb04bab5f7a8566cf7db4158fa6",
    "test": "13d3c638edd23e482c38f4316c2680c938c2eaedbe096970ab30a48e364463d3",
}
"""Content hashes of the two files in the wheel."""

LABELS: Mapping[str, int] = {
    "query-url-clicks": 134,
    "url-clicks": 135,
    "dwell-time": 136,
    "quality-score": 132,
    "quality-score-2": 133,
}
"""Columns of MSLR that are labels, not features. Source: Microsoft Learning to Rank Datasets, feature list."""

NOTICE = f"MSLR data is for research use; source: the package {PACKAGE}, which took it from Microsoft's MSLR-WEB10K."
NAME = "mslr-sample"

_WHEEL = ("--python-version", "37", "--implementation", "cp", "--abi", "cp37m", "--platform", "manylinux2010_x86_64")
_ORIGIN = "origin.json"


def fetch_mslr_sample(target: Path, *, hashes: Mapping[str, str] = SHA256) -> bool:
    """Downloads the sample with pip and writes the splits `train`, `vali` and `test` under `target`.

    Args:
        target: folder to create. An intact sample that already exists is kept.
        hashes: content hashes of the files `train` and `test` of the wheel.

    Returns: whether anything was downloaded.

    Raises:
        DataError: no pip, no network, unexpected content, a full disk, or `target` is something else.
    """
    if target.exists():
        _check_unchanged(target, hashes)
        return False
    with temporary_folder(target) as folder:
        unpack_mslr_sample(download_wheel(PACKAGE, folder, _WHEEL), target, hashes=hashes)
    return True


def unpack_mslr_sample(wheel: Path, target: Path, *, hashes: Mapping[str, str] = SHA256) -> None:
    """Writes the splits `train`, `vali` and `test` under `target` from the two files of the wheel.

    The last query of each file is left out, since it may be incomplete. The last quarter of the queries of the train file
    becomes `vali`.

    Raises:
        DataError: the wheel has unexpected content, or the disk is full.
    """
    with new_folder(target) as folder, tempfile.TemporaryDirectory(dir=folder) as parts:
        opened = {}
        for name in ("train", "test"):
            source = Path(parts) / f"msn1.fold1.{name}.5k.txt"
            source.write_bytes(wheel_member(wheel, MEMBER.format(name=name), hashes[name], PACKAGE))
            convert(source, Path(parts) / name)
            opened[name] = open_dataset(Path(parts) / name, Path(parts))
        train, test = opened["train"], opened["test"]
        complete = len(train) - 1
        first = complete - complete // 4
        _write(folder / "train", train, 0, first)
        _write(folder / "vali", train, first, complete)
        _write(folder / "test", test, 0, len(test) - 1)
        origin = {"package": PACKAGE, "sha256": dict(hashes), "notice": NOTICE}
        (folder / _ORIGIN).write_text(json.dumps(origin, indent=2) + "\n", encoding="utf-8")


def _write(folder: Path, data: Dataset, first: int, last: int) -> None:
    """Writes the queries `first` to `last` (exclusive) of a dataset as a dataset."""
    if first >= last:
        raise DataError(f"{data.source}: has too few queries for the {folder.name} split.")
    begin, end = int(data.offsets[first]), int(data.offsets[last])
    lists = QueryIndex(data.offsets[first : last + 1] - begin, np.array(data.qids[first:last]), np.array(data.lines[first:last]))
    rows = [(data.features[begin:end], data.relevance[begin:end])]
    write_dataset(folder, rows, lists, columns=data.columns, source=Path(data.source).name, labels=LABELS)


def _check_unchanged(target: Path, hashes: Mapping[str, str]) -> None:
    """Checks that `target` has the sample, and that its content has not changed."""
    advice = "Remove it and run `moft data get mslr-sample` again."
    try:
        origin = parse_json((target / _ORIGIN).read_bytes())
        is_ours = origin["sha256"] == dict(hashes)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{target}: already exists, but is not the sample ({_ORIGIN} cannot be read). {advice}") from error
    if not is_ours:
        raise DataError(f"{target}: was made from another version of the package. {advice}")
    for split in ("train", "vali", "test"):
        data = open_dataset(target / split, target)
        if content_hash(data.features, data.relevance, data.lists) != data.sha256:
            raise DataError(f"{target / split}: its content has changed since it was downloaded. {advice}")
