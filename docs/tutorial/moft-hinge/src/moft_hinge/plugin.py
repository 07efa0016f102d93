"""Offers the loss to moft. The target is a string, so moft imports the code only when a config uses it."""

from moft import Component, hookimpl


@hookimpl
def moft_losses():
    yield Component("hinge", "moft_hinge.loss:Hinge", "hinge loss of every ordered pair")
