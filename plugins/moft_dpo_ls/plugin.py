"""Registers the method `dpo-ls`."""

from __future__ import annotations

from collections.abc import Iterable

from moft import Component, hookimpl


@hookimpl
def moft_methods() -> Iterable[Component]:
    """The method."""
    yield Component("dpo-ls", "moft_dpo_ls.method:DPOLS", "linear scalarisation: a dedicated model for each weighting of a grid")
