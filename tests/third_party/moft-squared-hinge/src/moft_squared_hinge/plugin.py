"""Offers the loss."""

from moft import Component, hookimpl


@hookimpl
def moft_losses():
    yield Component("squared-hinge", "moft_squared_hinge.loss:SquaredHinge", "squared hinge loss of every ordered pair")
