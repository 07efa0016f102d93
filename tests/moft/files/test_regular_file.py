"""A pipe, a device or a folder in the place of a file is refused at once, by every reader of a run's files."""

from __future__ import annotations

import os

import pytest

from moft import RunError
from moft.files.expected_keys import read_journal
from moft.files.json import read_json
from moft.files.regular_file import read_regular
from moft.files.safetensors import load_tensors


@pytest.mark.parametrize("read", [read_json, load_tensors, lambda path: read_journal(path, {})])
@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")], ids=["pipe", "device"])
def test_what_may_never_end_is_refused(read, make, tmp_path):
    make(tmp_path / "file")
    with pytest.raises(RunError, match=r"file: cannot be read \(it is not a regular file\)"):
        read(tmp_path / "file")


def test_a_link_to_a_file_is_read_and_a_folder_is_not(tmp_path):
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    assert read_regular(tmp_path / "link") == b"content"
    with pytest.raises(IsADirectoryError):
        read_regular(tmp_path)
