"""What the plugin offers."""

from __future__ import annotations

from moft_cos_dpo import plugin


def test_the_method_is_offered_by_the_name_of_the_paper():
    (offered,) = plugin.moft_methods()
    assert offered.name == "cos-dpo"
    assert offered.load().__name__ == "CosDPO"
