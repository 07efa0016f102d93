"""The plugin manager: loads plugins, keeps the components that they offer, and selects them by name."""

from __future__ import annotations

import importlib.metadata
import inspect
import os
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pluggy

from moft.errors import PluginError
from moft.hooks import specs
from moft.hooks.component_record import Component
from moft.hooks.plugin_file import module_of
from moft.hooks.registry import DISABLE, KINDS, SINGULAR, Broken, Clash, Offer, Origin
from moft.hooks.trusted_files import plugin_content, remember_named
from moft.renames import new_name
from moft.suggestions import listed, nearest, one_line

ENTRY_POINTS = "moft"
"""The group of entry points of plugins."""
SHIPPED = "moft"
"""The distribution with the plugins that come with moft."""


@dataclass(frozen=True)
class Implementation:
    """A plugin's implementation of a hook; a call with all arguments of the hook passes on those that it names."""

    origin: Origin
    hook: str
    impl: pluggy.HookImpl

    def __call__(self, **arguments: Any) -> Any:
        return self.impl.function(*(arguments[name] for name in self.impl.argnames))


class Plugins:
    """A set of plugins, empty at first; `load`, `register` and `register_file` add plugins."""

    def __init__(self) -> None:
        self._manager = pluggy.PluginManager("moft")
        self._manager.add_hookspecs(specs)
        self._hooks = frozenset(name for name in vars(specs) if name.startswith("moft_"))
        self._origins: dict[str, Origin] = {}
        self._files: set[Path] = set()
        self._preferred: set[str] = set()
        self._unloaded: list[Broken] = []
        self._failed: dict[tuple[str, str], Broken] = {}
        self._disabled: list[Origin] = []
        self._offers: dict[str, list[Offer]] = {}

    def registered(self) -> list[Origin]:
        """The working plugins, in the order of registration."""
        return list(self._origins.values())

    def disabled(self) -> list[Origin]:
        """The installed plugins that were disabled by name."""
        return list(self._disabled)

    def broken(self) -> list[Broken]:
        """The plugins that could not be loaded, and the hooks that failed so far."""
        return [*self._unloaded, *self._failed.values()]

    def load(self, disable: Iterable[str] = ()) -> None:
        """Registers all installed plugins; one that fails is added to `broken`, and the others work.

        Args:
            disable: names of plugins to leave out, in addition to those in `MOFT_DISABLE_PLUGINS`.

        Raises:
            PluginError: a plugin to disable is not installed.
        """
        found = list(importlib.metadata.entry_points(group=ENTRY_POINTS))
        # the name and version of a distribution are read from its metadata on every access
        dists = {id(entry.dist): entry.dist for entry in found if entry.dist}
        owners = {key: (dist.name, dist.version) for key, dist in dists.items()}
        # of two plugins with one name, the one that comes with moft is registered first
        entries = sorted(found, key=lambda entry: (entry.name, owners.get(id(entry.dist), ("", ""))[0] != SHIPPED))
        names = [entry.name for entry in entries]
        disabled = {name.strip() for name in os.environ.get(DISABLE, "").split(",")} - {""} | set(disable)
        for name in sorted(disabled - set(names)):
            if new := new_name("plugin", name):
                raise PluginError(f"cannot disable plugin {name!r}: it is now called {new!r}.")
            hint = nearest(name, names)
            raise PluginError(f"cannot disable plugin {name!r}: it is not installed.{hint} Installed plugins: {listed(names)}.")
        for entry in entries:
            origin = Origin(entry.name, *owners.get(id(entry.dist), ("", "")))
            if entry.name in disabled:
                self._disabled.append(origin)
                continue
            try:
                self._add(entry.load(), origin)
            except PluginError as error:
                self._unloaded.append(Broken(origin, str(error)))
            except (Exception, SystemExit) as error:
                self._unloaded.append(Broken(origin, f"cannot be imported ({one_line(error)})."))

    def register(self, plugin: object, name: str) -> None:
        """Registers a module or an object with hooks.

        Raises:
            PluginError: the name is taken, or a hook of the plugin is misspelt or malformed; nothing is registered then.
        """
        self._add(plugin, Origin(name))

    def register_file(self, path: Path | str, *, is_preferred: bool = False, content: bytes | None = None) -> None:
        """Registers a Python file as a plugin, under its path, which runs it; a second call has no effect.

        Args:
            path: of the file.
            is_preferred: its components are taken if other plugins offer the same names, instead of a clash.
            content: of the file, which the user trusts; None for a file that the user named to be run. It is read then, and
                its content is remembered as trusted.

        Raises:
            PluginError: the file does not exist, cannot be imported, or has wrong hooks.
        """
        file = Path(path).resolve()
        if file not in self._files:
            if content is None:
                content = plugin_content(Path(path))
                remember_named(content)
            self._add(module_of(Path(path), content), Origin(str(path), str(path)))
            self._files.add(file)
            if is_preferred:
                self._preferred.add(str(path))

    def copy(self) -> Plugins:
        """Another manager with the same plugins; plugins registered there are not added here."""
        other = Plugins()
        for origin in self._origins.values():
            other._add(self._manager.get_plugin(origin.plugin), origin)
        other._files, other._unloaded, other._disabled = set(self._files), list(self._unloaded), list(self._disabled)
        other._preferred = set(self._preferred)
        return other

    def origin_of(self, module: str) -> Origin | None:
        """The plugin whose package or file a module belongs to, or None.

        Args:
            module: its full name, such as `moft_hinge.loss`.
        """
        for origin in self._origins.values():
            home = _home(self._manager.get_plugin(origin.plugin))
            if home and (module == home or module.startswith(f"{home}.")):
                return origin
        return None

    def offers(self, kind: str) -> list[Offer]:
        """The components of a kind that plugins offer, in the order of registration; a hook that fails is added to `broken`."""
        if kind not in KINDS:
            raise PluginError(f"unknown kind of component {kind!r}.{nearest(kind, KINDS)} Kinds: {listed(KINDS)}.")
        if kind not in self._offers:
            self._offers[kind] = [offer for hook in self.implementations(f"moft_{kind}") for offer in self._offered(hook)]
        return list(self._offers[kind])

    def select(self, kind: str, name: str) -> Component:
        """The component of a kind with a name.

        Raises:
            PluginError: no plugin offers it, or more than one does.
        """
        return self.offer(kind, name).component

    def offer(self, kind: str, name: str) -> Offer:
        """As `select`, with the plugin that offers the component."""
        offers = self.offers(kind)
        found = tuple(offer for offer in offers if offer.component.name == name)
        found = tuple(offer for offer in found if offer.plugin in self._preferred) or found
        if len(found) > 1:
            raise PluginError(str(Clash(kind, name, found)))
        if found:
            return found[0]
        names = sorted({offer.component.name for offer in offers})
        missing = ""
        broken = self.broken()
        if broken:
            missing += " These plugins are broken: " + "; ".join(f"{b.origin}: {b.reason.rstrip('.')}" for b in broken) + "."
        if self._disabled:
            missing += f" These plugins are disabled: {listed(origin.plugin for origin in self._disabled)}."
        raise PluginError(f"unknown {SINGULAR[kind]} {name!r}.{nearest(name, names)} Known {kind}: {listed(names)}.{missing}")

    def clashes(self) -> list[Clash]:
        """The names that are offered more than once; all other names work."""
        found = []
        for kind in KINDS:
            by_name = defaultdict(list)
            for offer in self.offers(kind):
                by_name[offer.component.name].append(offer)
            found += [Clash(kind, name, tuple(offers)) for name, offers in by_name.items() if len(offers) > 1]
        return found

    def implementations(self, hook: str) -> list[Implementation]:
        """The implementations of a hook, one per plugin."""
        caller = getattr(self._manager.hook, hook)
        return [Implementation(self._origins[impl.plugin_name], hook, impl) for impl in caller.get_hookimpls()]

    def failed(self, hook: Implementation, reason: str) -> None:
        """Adds a hook to `broken`."""
        self._failed.setdefault((hook.origin.plugin, hook.hook), Broken(hook.origin, f"hook {hook.hook} {reason}"))

    def _offered(self, hook: Implementation) -> list[Offer]:
        """The components that a plugin offers; none if its hook fails."""
        try:
            found = list(hook())
        except (Exception, SystemExit) as error:
            self.failed(hook, f"failed ({one_line(error)}).")
            return []
        for item in found:
            if not isinstance(item, Component):
                self.failed(hook, f"offers {item!r}, which is a {type(item).__name__} and not a Component.")
                return []
        origin = hook.origin
        return [Offer(component, origin.plugin, origin.package, origin.version) for component in found]

    def _add(self, plugin: object, origin: Origin) -> None:
        """Registers a plugin, or raises an error and changes nothing."""
        if origin.plugin in self._origins:
            raise PluginError(f"plugin {origin} is refused: plugin {self._origins[origin.plugin]} already has this name.")
        if self._manager.is_registered(plugin):
            raise PluginError(f"plugin {origin} is refused: it is already registered, as {self._manager.get_name(plugin)!r}.")
        self._check(plugin, origin)
        try:
            self._manager.register(plugin, origin.plugin)
            self._manager.check_pending()
        except pluggy.PluginValidationError as error:
            if self._manager.has_plugin(origin.plugin):
                self._manager.unregister(name=origin.plugin)
            raise PluginError(f"plugin {origin} is refused: {' '.join(str(error).split())}.") from error
        self._origins[origin.plugin] = origin
        self._offers.clear()

    def _check(self, plugin: object, origin: Origin) -> None:
        """Refuses hooks that pluggy would accept and never call."""
        if inspect.isclass(plugin):
            raise PluginError(f"plugin {origin} is refused: {plugin.__name__} is a class; register an instance of it.")
        hooks = 0
        for name in dir(plugin):
            options = self._manager.parse_hookimpl_opts(plugin, name)
            if options is None:
                if name in self._hooks and callable(inspect.getattr_static(plugin, name)):
                    raise PluginError(f"plugin {origin} is refused: its hook {name} lacks the decorator @hookimpl.")
                continue
            hook = options.get("specname") or name
            if hook not in self._hooks:
                raise PluginError(
                    f"plugin {origin} is refused: moft has no hook {hook!r}.{nearest(hook, self._hooks)} "
                    f"Hooks: {listed(sorted(self._hooks))}."
                )
            if options.get("wrapper") or options.get("hookwrapper"):
                raise PluginError(f"plugin {origin} is refused: its hook {name} is a wrapper; hooks only offer or observe.")
            hooks += 1
        if not hooks:
            raise PluginError(f"plugin {origin} is refused: it has no hook. Hooks are functions marked with @hookimpl.")


def _home(plugin: object) -> str:
    """The package of a plugin's module, or the module itself if it is in no package."""
    name = plugin.__name__ if inspect.ismodule(plugin) else type(plugin).__module__
    return name if hasattr(plugin, "__path__") else name.rpartition(".")[0] or name
