"""Whatever file of a run is damaged, every command that reads it says so in one line and blames no plugin."""

from __future__ import annotations

import shutil

import pytest

FILES = ("versions.json", "steps.jsonl", "notes.json", "front.json", "policy/record.json", "config.yaml")
CONTENTS = {
    "nothing": b"",
    "cut short": b'{"a": ',
    "no text": b"\xff\xfe\n",
    "a number": b"3\n",
    "a list": b"[1]\n",
    "deep": b"[" * 9999 + b"\n",
}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
@pytest.mark.parametrize("file", FILES)
def test_a_damaged_file_is_named(file, content, finished, lists, config, moft, tmp_path):
    run = shutil.copytree(finished, tmp_path / "run")
    (run / file).write_bytes(content)
    for words in (
        ("profile", run, "--points", "2", "--out", tmp_path / "front"),
        ("compare", run, finished, "--out", tmp_path / "comparison"),
        ("score", run, lists / "test.txt", "--weights", "1,0"),
        ("train", config, "--out", run, "--resume", "--plan"),
    ):
        said = moft(*words)
        shutil.rmtree(tmp_path / "front", ignore_errors=True)
        shutil.rmtree(tmp_path / "comparison", ignore_errors=True)
        assert said.code in (0, 2), words
        if said.code:
            assert len(said.mistakes) == 1
            assert file in said.mistakes[0]
            assert "plugin" not in said.mistakes[0]
