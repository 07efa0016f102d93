"""Several readers in one: lists of the same prompt come together, whatever layout they had."""

from __future__ import annotations

import pytest

from moft import ConfigError
from moft.api import Reader
from moft.config.build_component import resolve
from moft_llm.data.first_prompts import first_prompts
from moft_llm.data.preference_example import Example
from moft_llm.data.readers.joined_reader import Joined
from moft_llm.data.readers.list_readers import Rated


def test_ratings_and_preferences_of_a_prompt_are_one_list(file_of, plugins):
    ratings = file_of(*({"prompt": "p", "response": text, "help": number} for number, text in enumerate("abc")), name="r.jsonl")
    pairs = file_of(
        {"prompt": "p", "chosen": "a", "rejected": "c"}, {"prompt": "q", "chosen": "a", "rejected": "b"}, name="p.jsonl"
    )
    given = {
        "name": "joined",
        "readers": [{"name": "rated", "path": ratings}, {"name": "pairs", "path": pairs, "objective": "safe"}],
    }
    reader = resolve(Reader, given, plugins, "task.data").make()
    assert list(reader.examples()) == [
        Example("p", ("a", "b", "c"), {"help": (0.0, 1.0, 2.0), "safe": (1.0, None, 0.0)}, f"{ratings}:1"),
        Example("q", ("a", "b"), {"safe": (1.0, 0.0)}, f"{pairs}:2"),
    ]
    assert reader.places == [ratings, pairs]
    assert [example.prompt for example in first_prompts(reader, None)] == ["p", "q"]  # those of the pairs


def test_fewer_than_two_readers_are_nothing_to_join():
    with pytest.raises(ConfigError, match=r"\[task\.data\.readers\] has fewer than two readers"):
        Joined([Rated("a")])
