"""Imports a plugin from a Python file in any folder."""

from __future__ import annotations

import importlib.util
import sys
from hashlib import sha256
from pathlib import Path
from types import ModuleType

from moft.errors import PluginError
from moft.suggestions import one_line


def module_of(path: Path) -> ModuleType:
    """The module in a file, imported under a name made from its path.

    Raises:
        PluginError: the file does not exist, is not a Python file, or raises while it is imported.
    """
    if not path.is_file():
        raise PluginError(f"plugin file {str(path)!r} does not exist.")
    name = f"moft_file_{path.stem}_{sha256(str(path.resolve()).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise PluginError(f"plugin file {str(path)!r} is not a Python file: its name must end in '.py'.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and targets given as text look up their module by name
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise PluginError(f"plugin file {str(path)!r} cannot be imported ({one_line(error)}).") from error
    return module
