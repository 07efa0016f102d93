"""pytest fixtures for the tests of plugins; load them with `pytest_plugins = ["moft.testing.fixtures"]`."""

from __future__ import annotations

import pytest

from moft.hooks.plugin_manager import Plugins
from moft.interfaces import Policy
from moft.testing import toy_task_and_policy as toy
from moft.testing.toy_task_and_policy import ToyTask


@pytest.fixture
def fresh_plugins() -> Plugins:
    """An empty plugin manager; `register(plugin, name)` adds a plugin, `load()` all that are installed."""
    return Plugins()


@pytest.fixture
def toy_task() -> ToyTask:
    """The toy task: two objectives with a known front, and no files."""
    return toy.toy_task()


@pytest.fixture
def toy_policy(toy_task: ToyTask) -> Policy:
    """A policy for the toy task whose scores differ for every tradeoff."""
    return toy.toy_policy(toy_task)
