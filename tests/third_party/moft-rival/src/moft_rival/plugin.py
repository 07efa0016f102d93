"""Offers the reader."""

from moft import Component, hookimpl


@hookimpl
def moft_readers():
    yield Component("rival", "moft_rival.reader:Rival", "two answers and the name of the better one")
