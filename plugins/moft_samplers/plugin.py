"""Registers the samplers of weights and betas."""

from __future__ import annotations

from collections.abc import Iterator

from moft import Component, hookimpl


@hookimpl
def moft_samplers() -> Iterator[Component]:
    """The samplers."""
    yield Component("dirichlet", "moft_samplers.dirichlet:Dirichlet", "Dirichlet draws, with a share on vertices and edges")
    yield Component("das-dennis", "moft_samplers.das_dennis:DasDennis", "evenly spaced points of the simplex")
    yield Component("fixed", "moft_samplers.fixed:Fixed", "always the same vector")
    yield Component("log-uniform", "moft_samplers.log_uniform:LogUniform", "independent entries with uniform logarithms")
    yield Component("sobol", "moft_samplers.sobol:Sobol", "Dirichlet draws, spread evenly within a batch")
    yield Component("adaptive", "moft_samplers.adaptive:Adaptive", "more draws where the front has gaps or ignores the weights")
