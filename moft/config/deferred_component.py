"""Components that are built later, with arguments of the engine, and whose errors name their place in the config."""

from __future__ import annotations

import functools
from typing import Any, NoReturn

from moft.errors import MoftError, PluginError
from moft.suggestions import one_line


class DeferredComponent(functools.partial[Any]):
    """A component whose settings are known and whose other arguments the engine supplies later.

    An error while it is built names the place in the config.

    Args:
        path: of the component in the config.
        owner: the component and its plugin in words, such as `loss 'hinge' of plugin 'hinge'`.
    """

    path: str
    owner: str

    def __call__(self, *arguments: Any, **settings: Any) -> Any:
        try:
            return super().__call__(*arguments, **settings)
        except (Exception, SystemExit) as error:
            raise_with_path(error, self.path, self.owner)


def raise_with_path(error: Exception | SystemExit, path: str, owner: str) -> NoReturn:
    """Raises an error again that came up while a component was built, with its place in the config.

    Raises:
        MoftError: `error` itself, if it is one, with the path in front.
        OSError: `error` itself, if it names a file.
        PluginError: for any other error, which is a fault of the component.
    """
    if isinstance(error, MoftError):
        if path and not str(error).startswith(f"[{path}"):  # else it already names the setting
            error.args = (f"[{path}] {error}", *error.args[1:])
        raise error
    if isinstance(error, OSError) and error.filename:  # such as a missing file, which is no fault of the plugin
        raise error
    where = f"[{path}] " if path else ""
    raise PluginError(f"{where}{owner} cannot be built ({one_line(error)}). MOFT_TRACE=1 shows where.") from error
