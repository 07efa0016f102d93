"""Offers the loss."""

from moft import Component, hookimpl


@hookimpl
def moft_losses():
    yield Component("listnet", "moft_taken.loss:ListNet", "has the name of a shipped loss")
