"""Fixtures for the tests of plugins: name them by `pytest_plugins = ["moft.testing.fixtures"]`. They need pytest."""

from __future__ import annotations

import pytest

from moft.hooks.plugin_manager import Plugins
from moft.interfaces import Policy
from moft.testing import toy
from moft.testing.toy import ToyTask


@pytest.fixture
def fresh_plugins() -> Plugins:
    """A plugin manager with nothing in it; `load()` would read what is installed, `register(plugin, name)` adds one."""
    return Plugins()


@pytest.fixture
def toy_task() -> ToyTask:
    """The toy task: two objectives, a known front, nothing to read."""
    return toy.toy_task()


@pytest.fixture
def toy_policy(toy_task: ToyTask) -> Policy:
    """A policy for the toy task that answers every tradeoff with other scores."""
    return toy.toy_policy(toy_task)
