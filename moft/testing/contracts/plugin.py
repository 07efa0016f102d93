"""The contract of plugins: hooks that are known, and components that are offered as they should be."""

from __future__ import annotations

import re

import typer

from moft.config.json_schema import component_schema, settings_of
from moft.config.signature import signature_of
from moft.errors import PluginError
from moft.hooks.plugin_manager import Plugins
from moft.hooks.registry import KINDS, SINGULAR, Offer
from moft.suggestions import one_line
from moft.testing.contracts.assertions import require
from moft.testing.single_plugin import registered

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_ALONE = ("methods", "losses", "scalarizers", "indicators", "scorers")
"""Kinds that are built from their settings alone."""


def check_plugin(plugin: object) -> None:
    """Checks what every plugin promises, whatever it offers.

    Hooks that moft knows, none of which raises; components with a name of lower case and dashes, once each, a summary of one
    line, and a target that can be imported; settings that a config can fill, each with its meaning under `Args`, and none left of
    the star; commands that have a help text.

    Args:
        plugin: a module, or an object, with hooks.

    Raises:
        AssertionError: what was promised, what was seen, and on which input.
    """
    plugins = registered(plugin, "plugin")
    for kind in KINDS:
        offers = plugins.offers(kind)
        broken = plugins.broken()
        require(not broken, f"moft_{kind} yields components", broken[0].reason if broken else "", "the plugin itself")
        names = [offer.component.name for offer in offers]
        twice = sorted({name for name in names if names.count(name) > 1})
        require(not twice, "a name is offered once", f"{', '.join(twice)} twice", f"moft_{kind}")
        for offer in offers:
            _check_component(plugins, kind, offer)
    _check_commands(plugins)


def _check_component(plugins: Plugins, kind: str, offer: Offer) -> None:
    name, summary = offer.component.name, offer.component.summary
    on = f"{SINGULAR[kind]} {name!r}"
    require(bool(_NAME.fullmatch(name)), "a name of lower-case letters, digits and single dashes", repr(name), on)
    require(bool(summary.strip()) and "\n" not in summary, "a summary, in one line", repr(summary), on)
    try:
        settings = settings_of(offer.load())
        component_schema(kind, name, plugins)
    except PluginError as error:
        raise AssertionError(f"promised: a target with settings that a config can fill. Seen: {error} On: {on}.") from error
    lost = signature_of(offer.load(), on).optional if kind in _ALONE else ()
    require(not lost, "settings stand right of the star", f"{', '.join(lost)} left of it, where no config can set it", on)
    bare = [setting.name for setting in settings if not setting.help]
    require(not bare, "every setting has its meaning under Args", f"nothing of {', '.join(bare)}", on)


def _check_commands(plugins: Plugins) -> None:
    for hook in plugins.implementations("moft_commands"):
        groups = {"moft": typer.Typer(), "moft data": typer.Typer()}
        try:
            hook(app=groups["moft"], data=groups["moft data"])
        except Exception as error:
            told = f"promised: moft_commands raises nothing. Seen: {one_line(error)}. On: two empty groups."
            raise AssertionError(told) from error
        added = [(f"{words} {name}", command) for words, group in groups.items() for name, command in _commands(group)]
        require(bool(added), "moft_commands adds a command", "none", "two empty groups")
        for words, command in added:
            require(bool(command.help), "a command has a help text", "none", repr(words))


def _commands(group: typer.Typer) -> list[tuple[str, typer.core.TyperCommand]]:
    """The commands of a group by name; one that typer cannot parse is told."""
    if not group.registered_commands and not group.registered_groups:
        return []
    try:
        return list(typer.main.get_group(group).commands.items())  # type: ignore[arg-type]
    except Exception as error:
        raise AssertionError(f"promised: commands that typer can parse. Seen: {one_line(error)}. On: moft_commands.") from error
