"""Registers the method `cos-dpo-trees`."""

from __future__ import annotations

from collections.abc import Iterable

from moft import Component, hookimpl


@hookimpl
def moft_methods() -> Iterable[Component]:
    """The method."""
    yield Component("cos-dpo-trees", "moft_trees.method:CosDPOTrees", "one booster of trees, conditioned on the weights")
