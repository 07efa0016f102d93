"""The public names of a module, for autodoc."""

from __future__ import annotations

import importlib
import inspect


def api_reference(module: str) -> str:
    """Directives for every class and function in the `__all__` of a module, in its order."""
    face = importlib.import_module(module)
    lines = []
    for name in face.__all__:
        value = getattr(face, name)
        if inspect.isclass(value):
            lines += [f".. autoclass:: {module}.{name}", "   :members:", ""]
        elif inspect.isfunction(value):
            lines += [f".. autofunction:: {module}.{name}", ""]
    return "```{eval-rst}\n" + "\n".join(lines) + "\n```"
