"""The file of the responses so far: gone on with where it is whole, and left alone where it is not moft's."""

from __future__ import annotations

import pytest

from moft import DataError
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
