"""A plugin by itself, as contracts look at it."""

from __future__ import annotations

from moft.errors import PluginError
from moft.hooks.plugin_manager import Plugins


def registered(plugin: object, name: str) -> Plugins:
    """A manager that knows nothing but `plugin`, under `name`.

    Raises:
        AssertionError: it has a hook that moft does not know.
    """
    plugins = Plugins()
    try:
        plugins.register(plugin, name)
    except PluginError as error:
        raise AssertionError(f"promised: hooks that moft knows. Seen: {error} On: the plugin itself.") from error
    return plugins
