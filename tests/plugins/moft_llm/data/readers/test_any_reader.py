"""Readers of other plugins are checked as rows are, and those that ship give lists as JSON has them."""

from __future__ import annotations

import json

import pytest

from moft import DataError, PluginError
from moft.api import LabelledTexts
from moft.testing import check_reader
from moft_llm.data.chat.messages import Message, ToolPrompt
from moft_llm.data.first_prompts import first_prompts, is_small, unseen_data
from moft_llm.data.preference_example import Example
from moft_llm.data.readers.any_reader import examples_of
from moft_llm.data.readers.list_readers import Lists


class Given:
    """A reader of another plugin."""

    places = ()

    def __init__(self, *found):
        self._found = found

    def lists(self, split):
        for one in self._found:
            if isinstance(one, Exception):
                raise one
            yield one


def test_lists_of_another_plugin_are_checked():
    chat, tools = ({"role": "user", "content": "p"},), [{"name": "f"}]
    sound = LabelledTexts("row 1", chat, ("a", {"role": "assistant", "content": "b"}), {"x": (1, None)}, tools)
    assert list(examples_of(Given(sound))) == [
        Example(ToolPrompt((Message("user", "p"),), '[{"name": "f"}]'), ("a", "b"), {"x": (1.0, None)}, "row 1")
    ]
    with pytest.raises(DataError, match=r"^row 2: label 1 of 'x' is 'good'; it must be a finite number"):
        list(examples_of(Given(LabelledTexts("row 2", "p", ["a", "b"], {"x": ["good", 1]}))))


def test_a_reader_that_fails_is_named():
    with pytest.raises(PluginError, match=r"^the reader Given failed \(KeyError: 'votes'\)"):
        list(examples_of(Given(KeyError("votes"))))
    with pytest.raises(PluginError, match=r"^the reader Given failed \(AttributeError: 'dict' object has no attribute "):
        list(examples_of(Given({"prompt": "p"})))
    with pytest.raises(PluginError, match=r"^the reader Given failed \(TypeError: 'int' object is not iterable\)"):
        list(examples_of(Given(LabelledTexts("row 1", "p", ["a", "b"], {"x": 1}))))
    with pytest.raises(DataError, match=r"^votes: gone\.$"):
        list(examples_of(Given(DataError("votes: gone."))))


def test_of_a_reader_without_places_the_first_lists_are_looked_at():
    reader = Given(*(LabelledTexts(f"row {i}", f"p{i}", ["a", "b"], {"x": [1, 0]}) for i in range(3)))
    assert (unseen_data(reader), is_small(reader)) == ("", False)
    assert [example.prompt for example in first_prompts(reader, None)] == ["p0", "p1", "p2"]


def test_what_ships_gives_lists_as_json_has_them(file_of):
    row = {
        "prompt": [{"role": "user", "content": "p"}],
        "tools": [{"name": "f"}],
        "responses": ["a", {"role": "assistant", "content": "b", "reasoning_content": "c"}],
        "labels": {"x": [1.0, None]},
    }
    reader = Lists(file_of(row))
    check_reader(reader)
    (found,) = reader.lists(None)
    assert json.loads(json.dumps([found.prompt, found.tools, found.responses, found.labels])) == [
        row[name] for name in ("prompt", "tools", "responses", "labels")
    ]
