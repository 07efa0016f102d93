"""Offers the scorer."""

from moft import Component, hookimpl


@hookimpl
def moft_scorers():
    yield Component("wordy", "moft_wordy.scorer:Wordy", "mean length of the words")
