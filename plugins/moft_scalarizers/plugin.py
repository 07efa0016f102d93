"""Registers the scalarizers, which make one number of the losses of all objectives."""

from __future__ import annotations

from collections.abc import Iterator

from moft import Component, hookimpl


@hookimpl
def moft_scalarizers() -> Iterator[Component]:
    """The scalarizers."""
    yield Component("linear", "moft_scalarizers.linear:Linear", "sum of the losses, each times its weight")
    yield Component("cosine", "moft_scalarizers.cosine_penalty:CosinePenalty", "linear, minus the cosine of losses and weights")
    yield Component("tchebycheff", "moft_scalarizers.tchebycheff:Tchebycheff", "the largest weighted loss")
    yield Component(
        "smooth-tchebycheff",
        "moft_scalarizers.tchebycheff:SmoothTchebycheff",
        "smooth maximum of the weighted losses, with a gradient for every objective",
    )
    yield Component(
        "pbi",
        "moft_scalarizers.penalty_boundary_intersection:PenaltyBoundaryIntersection",
        "distance along the ray of the weights, and from it",
    )
