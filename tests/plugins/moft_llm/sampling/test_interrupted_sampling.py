"""The file of the responses so far: gone on with where it is whole, and left alone where it is not moft's."""

from __future__ import annotations

import json
import shlex
import signal
from datetime import datetime

import pytest

from moft import DataError
from moft.cli.app import main
from moft_llm.sampling import sample_responses as module
from moft_llm.sampling.interrupted_sampling import PartialFile

SETTINGS = {"--seed": 0}


@pytest.mark.parametrize("content", ["my notes", "my notes\n", '{"settings": {}, "openings": 3}\n', "[" * 100_000])
def test_a_file_of_something_else_is_refused_and_left_as_it_was(content, tmp_path):
    path = tmp_path / "a.partial"
    path.write_text(content)
    with pytest.raises(DataError, match=r"a\.partial:1: damaged line .* Remove the file to start again"):
        PartialFile(path, SETTINGS)
    assert path.read_text() == content


@pytest.mark.parametrize("kept", [0, 5, 30])
def test_a_first_line_that_was_cut_short_is_begun_again(kept, tmp_path):
    path = tmp_path / "a.partial"
    with PartialFile(path, SETTINGS) as partial:
        partial.begin(None)
        whole = path.read_bytes()
    path.write_bytes(whole[:kept])
    with PartialFile(path, SETTINGS) as partial:
        assert not partial.is_begun


def test_an_interrupted_command_keeps_the_responses_and_says_how_to_go_on(tiny_models, tmp_path, capsys, monkeypatch):
    whole, out, prompts = module.generate, tmp_path / "lists.jsonl", tmp_path / "prompts.jsonl"
    prompts.write_text("".join(json.dumps({"prompt": text}) + "\n" for text in ("One", "Twenty-two", "Three", "Four")))
    asked = []

    def interrupting(*arguments, **settings):
        asked.append(1)
        if len(asked) == 2:
            signal.raise_signal(signal.SIGHUP)
        return whole(*arguments, **settings)

    monkeypatch.setattr(module, "generate", interrupting)
    words = ["data", "sample", str(tiny_models()), str(prompts), "--out", str(out), "--batch", "4"]
    words += ["--max-new-tokens", "8", "--scorer", "short={name: length, aim: shorter}"]
    assert main(words) == 129
    told = f"moft: interrupted by SIGHUP. {out}.partial holds the responses so far. Go on with: {shlex.join(['moft', *words])}"
    assert capsys.readouterr().err.splitlines()[-1] == told
    assert main(words) == 0
    assert sorted(tmp_path.iterdir()) == [out, prompts]


def test_prompts_keep_the_date_on_which_sampling_began(tmp_path):
    path, first = tmp_path / "a.partial", datetime(2026, 2, 28, 23, 59)
    with PartialFile(path, SETTINGS) as partial:
        assert partial.now is None
        partial.begin(None, first)
        partial.add([["a", "b"]])
    with PartialFile(path, SETTINGS) as partial:
        assert partial.now == first
    path.write_text(path.read_text().replace("2026-02-28", "2026-02-30"))
    with pytest.raises(DataError, match=r"a\.partial:1: damaged line"):
        PartialFile(path, SETTINGS)
