"""Offers the loss; the target is text, so that listing plugins imports nothing."""

from moft import Component, hookimpl


@hookimpl
def moft_losses():
    yield Component("hinge", "moft_hinge.loss:Hinge", "hinge loss of every ordered pair")
