"""Offers the conditioners that modulate sites."""

from __future__ import annotations

from collections.abc import Iterator

from moft import Component, hookimpl


@hookimpl
def moft_conditioners() -> Iterator[Component]:
    """The two shipped conditioners."""
    yield Component("concat", "moft_conditioning.concat:Concat", "the tradeoff beside the features, in the first layer")
    yield Component("film", "moft_conditioning.film:FiLM", "scales and shifts at the model's sites")
