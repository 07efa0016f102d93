"""Offers the scalarizers: one number of the losses of all objectives."""

from __future__ import annotations

from collections.abc import Iterator

from moft import Component, hookimpl


@hookimpl
def moft_scalarizers() -> Iterator[Component]:
    """The two shipped scalarizers."""
    yield Component("linear", "moft_scalarizers.linear:Linear", "sum of the losses, each times its weight")
    yield Component("cosine", "moft_scalarizers.cosine:CosinePenalty", "linear, less the cosine of losses and weights")
