"""Where trusted contents are remembered."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

import pytest

from moft.errors import RunError
from moft.hooks.trust_store import is_trusted, state_folder, trust


def test_the_state_folder_is_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("MOFT_STATE")
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    assert state_folder() == tmp_path / ".local" / "state" / "moft"
    monkeypatch.setenv("XDG_STATE_HOME", "here")  # which would be a folder of whoever made the working folder
    assert state_folder() == tmp_path / ".local" / "state" / "moft"
    monkeypatch.setenv("XDG_STATE_HOME", "/xdg")
    assert state_folder() == Path("/xdg/moft")
    monkeypatch.setenv("MOFT_STATE", "~/own")
    assert state_folder() == tmp_path / "own"
    monkeypatch.setenv("MOFT_STATE", "here")
    with pytest.raises(RunError, match="here: is not an absolute path; set MOFT_STATE to one"):
        is_trusted(b"code")


def test_a_content_is_trusted_by_its_hash_and_an_empty_file(monkeypatch, tmp_path):
    monkeypatch.setenv("MOFT_STATE", str(tmp_path / "state"))
    assert not is_trusted(b"code")
    trust(b"code")
    trust(b"code")
    assert is_trusted(b"code")
    assert not is_trusted(b"code ")
    (file,) = (tmp_path / "state" / "trusted").iterdir()
    assert (file.name, file.read_bytes()) == (sha256(b"code").hexdigest(), b"")
    assert os.stat(file.parent).st_mode & 0o777 == 0o700


def test_a_folder_that_cannot_be_written_is_told(monkeypatch, tmp_path):
    (tmp_path / "state").write_text("a file")
    monkeypatch.setenv("MOFT_STATE", str(tmp_path / "state"))
    assert not is_trusted(b"code")
    with pytest.raises(RunError, match=r"state/trusted: cannot be written \(.*\), so no plugin file can be rem"):
        trust(b"code")
