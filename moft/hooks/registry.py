"""Kinds of components, and records about plugins: their origin, what they offer, what is broken, and clashes of names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from moft.errors import PluginError
from moft.hooks.component_record import Component

KINDS = (
    "tasks",
    "methods",
    "losses",
    "scalarizers",
    "conditioners",
    "samplers",
    "evaluators",
    "indicators",
    "scorers",
    "trackers",
    "readers",
)
SINGULAR = {kind: "loss" if kind == "losses" else kind[:-1] for kind in KINDS}
DISABLE = "MOFT_DISABLE_PLUGINS"


@dataclass(frozen=True)
class Origin:
    """The name of a plugin and its package.

    Args:
        plugin: its name.
        package: the distribution, or the file, that holds it; empty for an object registered by hand.
        version: the distribution's version, or empty.
    """

    plugin: str
    package: str = ""
    version: str = ""

    @property
    def is_file(self) -> bool:
        """Whether it is a plugin file and not an installed package."""
        return bool(self.package) and self.package == self.plugin and not self.version

    def __str__(self) -> str:
        source = f"{self.package} {self.version}".strip()
        return f"{self.plugin!r} ({source})" if source and source != self.plugin else repr(self.plugin)


@dataclass(frozen=True)
class Broken:
    """A plugin or a hook that does not work, with the reason in one line."""

    origin: Origin
    reason: str


@dataclass(frozen=True)
class Offer:
    """A component and the plugin that offers it."""

    component: Component
    plugin: str
    package: str
    version: str

    @property
    def origin(self) -> Origin:
        """The plugin with its package and version."""
        return Origin(self.plugin, self.package, self.version)

    @property
    def requirement(self) -> str:
        """What has to be installed before the component works, as the end of a sentence; empty where nothing is missing."""
        missing = self.component.missing_packages()
        if not missing:
            return ""
        packages = f"package {missing[0]}" if len(missing) == 1 else f"packages {' and '.join(missing)}"
        source = f"'{self.package}[{self.component.extra}]'" if self.component.extra and self.version else " ".join(missing)
        return f"needs the {packages}: pip install {source}."

    def load(self) -> Callable[..., Any]:
        """The component's target, imported.

        Raises:
            PluginError: it cannot be imported; the message names the plugin.
        """
        try:
            return self.component.load()
        except PluginError as error:
            raise PluginError(f"plugin {self.origin}: {error}") from error


@dataclass(frozen=True)
class Clash:
    """A name of a kind that is offered more than once."""

    kind: str
    name: str
    offers: tuple[Offer, ...]

    def __str__(self) -> str:
        plugins = " and by ".join(f"plugin {offer.origin}" for offer in self.offers)
        file = next((offer.plugin for offer in self.offers if offer.origin.is_file), None)
        advice = f"Disable all but one: {DISABLE}=NAME." if file is None else f"Give it another name in {file}."
        return f"{SINGULAR[self.kind]} {self.name!r} is offered {len(self.offers)} times: by {plugins}. {advice}"
