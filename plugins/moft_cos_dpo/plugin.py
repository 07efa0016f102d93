"""Offers conditioned one-shot DPO."""

from __future__ import annotations

from collections.abc import Iterable

from moft import Component, hookimpl


@hookimpl
def moft_methods() -> Iterable[Component]:
    """Offer the method."""
    yield Component("cos-dpo", "moft_cos_dpo.method:CosDPO", "one model, conditioned on the weights, from one training run")
