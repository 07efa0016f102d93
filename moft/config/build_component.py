"""Objects from a config: every setting is checked against the signatures first, then the objects are built."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from moft.config.resolve_config import Resolved, Resolver
from moft.config.setting_annotations import Unsupported, shape_of
from moft.errors import ConfigError, MoftError, PluginError
from moft.hooks.plugin_manager import Plugins

__all__ = ["Resolved", "building_mistakes", "component", "resolve"]


def resolve(
    annotation: Any, value: Any, plugins: Plugins, path: str = "", *, homes: Sequence[Path] = (), late: Sequence[str] = ()
) -> Resolved:
    """A config value checked against an annotation, its components selected, nothing built yet.

    Args:
        annotation: an interface, a `Factory` of one, a record, a container or choice of these, or what pydantic knows.
        value: what the config says.
        plugins: where components come from.
        path: of the value in the config, as the user typed it; messages begin with it.
        homes: the folders that a relative `PathOrName` is looked up in; none leaves it unchanged, and so does `Path()`.
        late: paths of factories whose settings are built when they are called first. Packages that are missing there are told
            then.

    Raises:
        ConfigError: the value has mistakes; one line each.
        PluginError: a component cannot be imported, or a config cannot fill its signature; mistakes follow.
    """
    resolver = Resolver(plugins, homes, late)
    try:
        resolved = resolver.value(shape_of(annotation), value, path)
    except Unsupported as error:
        raise PluginError(f"{path or 'config'}: annotation {error}.") from error
    if resolver.faults:
        raise PluginError("\n".join([*map(str, resolver.faults), *resolver.mistakes])) from resolver.faults[0]
    if resolver.mistakes or resolved is None:
        raise ConfigError("\n".join(resolver.mistakes))
    return resolved


def component(interface: Any, value: Any, plugins: Plugins, path: str = "") -> Any:
    """One component, built as a config would, outside a run.

    Args:
        interface: `Scorer`, `Loss` or another one; a `Factory` of it if the engine supplies arguments too.
        value: its name, or a mapping of its name and settings.
        plugins: where components come from; a command finds them in `typer.Context.obj`.
        path: what the user calls it, such as `--scorer brief`; messages begin with it.

    Raises:
        ConfigError: the component is unknown, or its settings have mistakes; one line each.
        PluginError: the component cannot be imported or built.
    """
    return resolve(interface, value, plugins, path).make()


def building_mistakes(resolved: Resolved) -> list[str]:
    """The errors that building a checked config raises, one line each; a whole is built only if its parts are sound."""
    found = [text for part in resolved.parts.values() for text in building_mistakes(part)]
    if found:
        return found
    try:
        resolved.make()
    except MoftError as error:
        return str(error).splitlines()
    except OSError as error:
        return [f"{error.filename}: {error.strerror}." if error.filename else f"{error}."]
    return []
