"""The plugin offers what it ships, and every target loads."""

from __future__ import annotations

from moft_samplers import plugin


def test_every_shipped_component_is_offered_and_loads():
    offered = {component.name: component for component in plugin.moft_samplers()}
    assert set(offered) == {"dirichlet", "das-dennis", "fixed", "log-uniform", "sobol", "adaptive"}
    assert all(isinstance(component.target, str) and component.summary for component in offered.values())
    assert all(component.load().__module__.startswith("moft_samplers.") for component in offered.values())
