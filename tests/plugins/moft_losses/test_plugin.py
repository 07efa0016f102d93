"""The plugin offers what it ships, and every target loads."""

from __future__ import annotations

from moft_losses import plugin


def test_every_shipped_component_is_offered_and_loads():
    offered = {component.name: component for component in plugin.moft_losses()}
    assert set(offered) == {
        "listnet",
        "plackett-luce",
        "pairwise-logistic",
        "lipo-lambda",
        "ipo",
        "unpaired-logistic",
        "approx-ndcg",
        "exposure",
        "diversity",
        "with-sft",
    }
    assert all(isinstance(component.target, str) and component.summary for component in offered.values())
    assert all(component.load().__module__.startswith("moft_losses.") for component in offered.values())
