"""Items that are made in a thread come in their order, and an error or an early end leaves no thread behind."""

from __future__ import annotations

import itertools
import threading

import pytest

from moft_ltr.data.readers.read_ahead import read_ahead


def test_items_come_in_order_and_are_not_all_made_at_once():
    made = []

    def items():
        for number in range(100):
            made.append(number)
            yield number

    for used, item in enumerate(read_ahead(items())):
        assert item == used
        assert len(made) <= used + 4
    assert len(made) == 100


def test_an_error_is_raised_after_the_items_before_it():
    def items():
        yield 1
        raise ValueError("broken")

    found = read_ahead(items())
    assert next(found) == 1
    with pytest.raises(ValueError, match="broken"):
        next(found)


def test_no_thread_stays_when_the_items_are_not_all_used():
    before = threading.active_count()
    found = read_ahead(itertools.count())
    assert list(itertools.islice(found, 3)) == [0, 1, 2]
    found.close()
    assert threading.active_count() == before
