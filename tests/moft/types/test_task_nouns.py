"""Nouns of a task: plurals and counts."""

from __future__ import annotations

import pytest

from moft.api import Nouns


@pytest.mark.parametrize(
    ("word", "plural"), [("query", "queries"), ("prompt", "prompts"), ("day", "days"), ("document", "documents")]
)
def test_a_plural_is_that_of_english(word, plural):
    assert Nouns(list=word).lists == plural == Nouns(item=word).items


def test_counts_say_one_and_many():
    nouns = Nouns("query", "document")
    assert [nouns.count_lists(1), nouns.count_lists(1200)] == ["1 query", "1,200 queries"]
