"""The public names of a module, for autodoc."""

from __future__ import annotations

import importlib
import inspect
from typing import Any


def api_reference(module: str) -> str:
    """Directives for every class and function in the `__all__` of a module, in its order."""
    face = importlib.import_module(module)
    lines = []
    for name in face.__all__:
        value = getattr(face, name)
        if inspect.isclass(value) and issubclass(value, Exception):
            lines += [f".. autoexception:: {module}.{name}", ""]
        elif inspect.isclass(value):
            lines += [f".. autoclass:: {module}.{name}", "   :members:", ""]
        elif inspect.isfunction(value):
            lines += [f".. autofunction:: {module}.{name}", ""]
    return "```{eval-rst}\n" + "\n".join(lines) + "\n```"


def without_inherited_signature(
    _app: Any, kind: str, _name: str, value: Any, _options: Any, signature: str | None, returned: str | None
) -> tuple[str | None, str | None] | None:
    """For Sphinx: no signature for a class that has not its own, such as an interface."""
    return ("", returned) if kind == "class" and "__init__" not in vars(value) else (signature, returned)
