"""The record that a plugin offers to moft: a name, the code behind it, and a one-line summary."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from moft.errors import PluginError
from moft.suggestions import one_line


@dataclass(frozen=True)
class Component:
    """A component that a config selects by name.

    Args:
        name: lower case with dashes; unique within its kind.
        target: a callable, or `"package.module:Name"`, which is imported when the component is first used.
        summary: one line for `moft plugins`.
        packages: packages, by the name that is imported, that it needs and that its distribution installs with an extra only.
        extra: name of that extra.
    """

    name: str
    target: Callable[..., Any] | str
    summary: str = ""
    packages: tuple[str, ...] = ()
    extra: str = ""

    def missing_packages(self) -> list[str]:
        """Those of `packages` that are not installed; imports none of them."""
        return [name for name in self.packages if not _is_installed(name)]

    def load(self) -> Callable[..., Any]:
        """The callable behind `target`, imported now if it was given as text.

        Raises:
            PluginError: the module cannot be imported, or has no such name.
        """
        if not isinstance(self.target, str):
            return self.target
        module, colon, attribute = self.target.partition(":")
        if not colon or not module or not attribute:
            raise PluginError(f"component {self.name!r}: target {self.target!r} is not of the form 'package.module:Name'.")
        try:
            target = getattr(importlib.import_module(module), attribute)
        except (Exception, SystemExit) as error:
            raise PluginError(f"component {self.name!r}: cannot import {self.target!r} ({one_line(error)}).") from error
        if not callable(target):
            raise PluginError(f"component {self.name!r}: {self.target!r} is a {type(target).__name__}, which cannot be called.")
        loaded: Callable[..., Any] = target
        return loaded


def _is_installed(package: str) -> bool:
    """Whether a package can be found."""
    if package in sys.modules:
        return sys.modules[package] is not None
    return importlib.util.find_spec(package) is not None
