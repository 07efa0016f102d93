"""Imports the optional library of a tracker, with a clear error if it is not installed."""

from __future__ import annotations

import importlib
from typing import Any

from moft import ConfigError


def import_library(module: str, tracker: str) -> Any:
    """Imports a module of a tracker's library.

    Args:
        module: its full name.
        tracker: that needs it; also the name of the extra of moft that installs it.

    Raises:
        ConfigError: the import fails.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ConfigError(
            f"tracker {tracker!r} cannot import {module} ({error}); run pip install 'moft[{tracker}]' or remove the tracker."
        ) from error
