"""Standard deviations of the random initialisation of conditioners."""

from __future__ import annotations

START = 5.0
"""Standard deviation of a last layer times the root of its width, so that its outputs vary by about 1 over tradeoffs."""


def linear_deviation(inputs: int) -> float:
    """The standard deviation of the initial weights of `nn.Linear` with this many inputs."""
    return float((3 * inputs) ** -0.5)
