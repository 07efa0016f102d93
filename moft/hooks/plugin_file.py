"""Imports a plugin from the content of a Python file in any folder."""

from __future__ import annotations

import importlib.util
import sys
from hashlib import sha256
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

from moft.errors import PluginError
from moft.suggestions import one_line


def module_of(path: Path, content: bytes) -> ModuleType:
    """The module in a file, imported under a name made from its path.

    Args:
        path: of the file.
        content: of the file, which is what is run.

    Raises:
        PluginError: it is not a Python file, or raises while it is imported.
    """
    name = f"moft_file_{path.stem}_{sha256(str(path.resolve()).encode()).hexdigest()[:12]}"
    loader = _ContentLoader(name, str(path), content)
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    if spec is None or path.suffix != ".py":
        raise PluginError(f"plugin file {str(path)!r} is not a Python file: its name must end in '.py'.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and targets given as text look up their module by name
    try:
        loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise PluginError(f"plugin file {str(path)!r} cannot be imported ({one_line(error)}).") from error
    return module


class _ContentLoader(SourceFileLoader):
    """Compiles the given content, so that neither a file that has changed since nor a compiled one beside it is run."""

    def __init__(self, name: str, path: str, content: bytes) -> None:
        super().__init__(name, path)
        self._content = content

    def get_code(self, fullname: str) -> CodeType:
        code: CodeType = self.source_to_code(self._content, self.path)
        return code
