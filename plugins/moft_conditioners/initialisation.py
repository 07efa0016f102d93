"""How wide random starts are."""

from __future__ import annotations

START = 5.0
"""First weights of a last layer, times the root of its width, that give its outputs a spread of about one over tradeoffs."""


def linear_deviation(inputs: int) -> float:
    """The standard deviation of the weights of a fresh linear layer with so many inputs."""
    return float((3 * inputs) ** -0.5)
