"""A run goes on only with the data that it began with."""

from __future__ import annotations

from pathlib import Path

import pytest

from moft.errors import RunError
from moft.files.json import write_json
from moft.run.folder.resume import check_same_data
from moft.run.folder.run_folder import RunFolder


def test_a_resume_with_other_data_says_what_differs(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    write_json(folder.versions, {"data": {"splits": {"train": {"sha256": ["a"], "lists": 3}}}})
    check_same_data(folder, {"splits": {"train": {"sha256": ["a"], "lists": 3}}})
    with pytest.raises(
        RunError, match=r"data have changed since the run began \(splits.train.sha256: \['a'\] there, \['b'\] here\)"
    ):
        check_same_data(folder, {"splits": {"train": {"sha256": ["b"], "lists": 3}}})


def test_a_resume_from_another_base_model_says_so_with_short_hashes(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    write_json(folder.versions, {"data": {"base": 32 * "0f"}})
    check_same_data(folder, {"base": 32 * "0f"})
    with pytest.raises(
        RunError, match=r"its base model has changed since the run began \(base: '0f0f0f0f0f0f' there, '1e1e1e1e1e1e' here\)"
    ):
        check_same_data(folder, {"base": 32 * "1e"})


def test_a_run_that_has_just_begun_has_nothing_to_compare_with(tmp_path: Path) -> None:
    check_same_data(RunFolder(tmp_path), {"splits": {}})
