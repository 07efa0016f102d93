"""Offers the method."""

from moft import Component, hookimpl


@hookimpl
def moft_methods():
    yield Component("one-weighting", "moft_one_weighting.method:OneWeighting", "a plain model for one weighting")
