"""The plugin offers what it ships, and every target loads."""

from __future__ import annotations

from moft_indicators import plugin


def test_every_shipped_component_is_offered_and_loads():
    offered = {component.name: component for component in plugin.moft_indicators()}
    assert set(offered) == {"hypervolume", "spacing", "coverage", "monotonicity"}
    assert all(isinstance(component.target, str) and component.summary for component in offered.values())
    assert all(component.load().__module__.startswith("moft_indicators.") for component in offered.values())
