"""A look at texts reads the first rows of large files."""

from __future__ import annotations

import json

import pytest
import torch

from moft import DataError
from moft_llm.data import first_prompts as module
from moft_llm.data.first_prompts import first_prompts, is_small, labelled_sample, unseen_data
from moft_llm.data.label_transforms import TextLabel
from moft_llm.data.preference_example import Example
from moft_llm.data.readers.list_readers import Lists, Rated
from moft_llm.data.readers.pair_readers import HH

ROW = {"prompt": "a", "responses": ["b", "c"], "labels": {"x": [0, 1]}}


@pytest.fixture
def file(tmp_path):
    (tmp_path / "lists.jsonl").write_text("".join(json.dumps({**ROW, "prompt": f"{i}"}) + "\n" for i in range(50)))
    return str(tmp_path / "lists.jsonl")


def test_only_the_first_rows_of_a_large_file_are_read(file, monkeypatch):
    assert is_small(Lists(file))
    monkeypatch.setattr(module, "READ_WHOLE", 100)
    monkeypatch.setattr(module, "PROMPTS", 3)
    assert not is_small(Lists(file))
    assert [example.prompt for example in first_prompts(Lists(file), None)] == ["0", "1", "2"]


def test_each_file_of_hh_is_looked_at(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PROMPTS", 1)
    texts = ["\n\nHuman: a\n\nAssistant: b", "\n\nHuman: a\n\nAssistant: c"]
    for name in ("one", "two"):
        (tmp_path / f"{name}.jsonl").write_text((json.dumps({"text": texts}) + "\n") * 3)
    data = HH({name: str(tmp_path / f"{name}.jsonl") for name in ("one", "two")})
    assert [list(example.labels) for example in first_prompts(data, None)] == [["one"], ["two"]]


def test_rated_rows_are_checked_for_their_columns(file):
    with pytest.raises(DataError, match=r"lists\.jsonl:1: there is no column 'response'"):
        list(first_prompts(Rated(file), None))


def test_a_hub_is_not_asked(monkeypatch):
    assert unseen_data(Lists("owner/name")) == (
        "owner/name: no such file or folder here; the Hugging Face hub is asked for it when training starts."
    )
    for path in ("none.jsonl", "a/b.jsonl", "/none/at/all"):
        with pytest.raises(DataError, match="no such file or folder"):
            unseen_data(Lists(path))


def test_a_sample_has_labels_of_lists_of_any_size():
    examples = [Example("a", ("b", "c"), {"x": (1.0, 0.0)}, "f:1"), Example("d", ("e", "f", "g"), {"x": (0.0, None, 2.0)}, "f:2")]
    sample = labelled_sample(examples, {"x": TextLabel()})
    assert sample.labels[..., 0].tolist() == [[1.0, 0.0, 0.0], [0.0, 0.0, 2.0]]
    assert sample.mask[..., 0].tolist() == [[True, True, False], [True, False, True]]
    assert sample.items.tolist() == [[True, True, False], [True, True, True]]
    assert sample.lists.equal(torch.arange(2))
