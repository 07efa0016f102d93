"""Offers the sampler."""

from moft import Component, hookimpl


@hookimpl
def moft_samplers():
    yield Component("edges", "moft_edges.sampler:Edges", "points between two vertices")
