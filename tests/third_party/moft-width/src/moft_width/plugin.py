"""Offers the indicator."""

from moft import Component, hookimpl


@hookimpl
def moft_indicators():
    yield Component("width", "moft_width.indicator:Width", "the largest distance of two points")
