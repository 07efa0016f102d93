"""A plugin registered alone, for the contracts of plugins and observers."""

from __future__ import annotations

from moft.errors import PluginError
from moft.hooks.plugin_manager import Plugins
from moft.testing.contracts.assertions import broken_rule


def register_alone(plugin: object, name: str) -> Plugins:
    """A plugin manager with `plugin` alone, under `name`.

    Raises:
        AssertionError: it has no hook, or one that moft does not know.
    """
    plugins = Plugins()
    try:
        plugins.register(plugin, name)
    except PluginError as error:
        raise broken_rule("hooks that moft knows", error, "the plugin") from error
    return plugins
