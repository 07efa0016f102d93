"""The contract of plugins: known hooks, and components and commands that moft can use."""

from __future__ import annotations

import re

import typer

from moft.config.json_schema import component_schema, settings_of
from moft.config.signature import signature_of
from moft.errors import PluginError
from moft.hooks.plugin_manager import Plugins
from moft.hooks.registry import KINDS, SINGULAR, Offer
from moft.testing.contracts.assertions import broken_rule, require
from moft.testing.single_plugin import register_alone

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_SETTINGS_ONLY = ("methods", "losses", "scalarizers", "indicators", "scorers", "readers")
"""Kinds that are built from their settings alone, without arguments of the engine."""


def check_plugin(plugin: object) -> None:
    """Checks the contract of plugins, whatever they offer.

    moft knows the hooks, and none of them raises. Each component has a name in lower case with dashes, a summary of one line and
    a target that can be imported; names are not repeated. A config can fill the settings, each is described under `Args`, and
    none comes before the '*' of the signature. Commands have a help text.

    Args:
        plugin: a module, or an object, with hooks.

    Raises:
        AssertionError: a rule is broken; the message gives the rule, what was found and the input.
    """
    plugins = register_alone(plugin, "plugin")
    for kind in KINDS:
        offers = plugins.offers(kind)
        broken = plugins.broken()
        require(not broken, f"moft_{kind} yields components", broken[0].reason.removesuffix(".") if broken else "", "the plugin")
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
        raise broken_rule("a target with settings that a config can fill", error, on) from error
    unsettable = signature_of(offer.load(), on).optional if kind in _SETTINGS_ONLY else ()
    found = f"{', '.join(unsettable)} before it, where a config cannot set it"
    require(not unsettable, "settings come after the '*' of the signature", found, on)
    bare = [setting.name for setting in settings if not setting.help]
    require(not bare, "every setting is described under `Args`", f"no description of {', '.join(bare)}", on)


def _check_commands(plugins: Plugins) -> None:
    for hook in plugins.implementations("moft_commands"):
        groups = {"moft": typer.Typer(), "moft data": typer.Typer()}
        try:
            hook(app=groups["moft"], data=groups["moft data"])
        except Exception as error:
            raise broken_rule("moft_commands does not raise", error, "two empty groups") from error
        added = [(f"{words} {name}", command) for words, group in groups.items() for name, command in _commands(group)]
        require(bool(added), "moft_commands adds a command", "none", "two empty groups")
        for words, command in added:
            require(bool(command.help), "a command has a help text", "none", repr(words))


def _commands(group: typer.Typer) -> list[tuple[str, typer.core.TyperCommand]]:
    """The commands of a group by name; a command that typer cannot parse breaks the contract."""
    if not group.registered_commands and not group.registered_groups:
        return []
    try:
        return list(typer.main.get_group(group).commands.items())  # type: ignore[arg-type]
    except Exception as error:
        raise broken_rule("commands that typer can parse", error, "moft_commands") from error
