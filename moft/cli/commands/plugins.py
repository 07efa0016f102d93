"""`moft plugins`: lists components and broken plugins, or shows the settings of one component."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from moft.cli.table_output import print_table
from moft.errors import PluginError
from moft.hooks.plugin_manager import Plugins
from moft.hooks.registry import KINDS, SINGULAR
from moft.suggestions import listed, nearest

_KIND_OF = {word: kind for kind in KINDS for word in (kind, SINGULAR[kind])}


def add(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("plugins")(plugins)


def plugins(
    context: typer.Context,
    kind: Annotated[str | None, typer.Argument(help=f"Kind of component: {', '.join(KINDS)}.", show_default="all")] = None,
    name: Annotated[str | None, typer.Argument(help="Name of a component, to show its settings.")] = None,
) -> None:
    """List the components of all plugins, or show the settings of one."""
    show(context.obj, kind, name)


def show(installed: Plugins, kind: str | None = None, name: str | None = None) -> None:
    """Prints the components of all kinds or of one, or one component with its settings.

    Raises:
        PluginError: the kind or component is unknown, or the component cannot be imported.
    """
    if kind is not None and kind not in _KIND_OF:
        raise PluginError(f"unknown kind of component {kind!r}.{nearest(kind, _KIND_OF)} Kinds: {listed(KINDS)}.")
    if kind is not None and name is not None:
        _show(installed, _KIND_OF[kind], name)
    else:
        _list(installed, KINDS if kind is None else (_KIND_OF[kind],))


def _list(installed: Plugins, kinds: tuple[str, ...]) -> None:
    """Prints the components of some kinds, then missing packages, clashes, broken and disabled plugins."""
    offers = [(SINGULAR[kind], offer) for kind in kinds for offer in installed.offers(kind)]
    rows = [(k, o.component.name, o.component.summary, o.plugin, o.package, o.version) for k, o in offers]
    if rows:
        print_table(("kind", "name", "summary", "plugin", "package", "version"), rows)
    else:
        typer.echo(f"No plugin offers {listed(kinds)}.")
    needs = [f"{k} {o.component.name} {o.requirement}" for k, o in offers if o.requirement]
    clashes = [str(clash) for clash in installed.clashes() if clash.kind in kinds]
    broken = [f"{item.origin}: {item.reason}" for item in installed.broken()]
    disabled = [str(origin) for origin in installed.disabled()]
    for title, lines in (("Need more packages", needs), ("Clashes", clashes), ("Broken", broken), ("Disabled", disabled)):
        if lines:
            typer.echo(f"\n{title}:")
            for line in lines:
                typer.echo(f"  {line}")


def _show(installed: Plugins, kind: str, name: str) -> None:
    """Prints the plugin of a component, its settings, and their JSON Schema."""
    from moft.config.json_schema import component_schema, settings_of

    offer = installed.offer(kind, name)
    settings = settings_of(offer.load())
    schema = component_schema(kind, name, installed)
    typer.echo(f"{SINGULAR[kind]} {name}: {offer.component.summary}")
    typer.echo(f"from plugin {offer.origin}\n")
    if settings:
        rows = [(s.name, s.type, "required" if s.is_required else _short(s.default), s.help) for s in settings]
        print_table(("setting", "type", "default", "meaning"), rows)
    else:
        typer.echo("It has no settings.")
    typer.echo(f"\nJSON Schema:\n{json.dumps(schema, indent=2)}")


def _short(default: Any) -> str:
    """A default as in a config file; a component without settings is shown by its name."""
    if isinstance(default, dict) and set(default) == {"name"}:
        return str(default["name"])
    if isinstance(default, dict):
        return "{" + ", ".join(f"{key}: {_short(value)}" for key, value in default.items()) + "}"
    return default if isinstance(default, str) else json.dumps(default)
