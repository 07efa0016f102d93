"""The libraries of trackers, which moft itself does not need."""

from __future__ import annotations

import importlib
from typing import Any

from moft import ConfigError


def import_library(module: str, tracker: str) -> Any:
    """A module of a tracker's library, imported now.

    Args:
        module: its whole name.
        tracker: that needs it; the extra of moft that brings it is called the same.

    Raises:
        ConfigError: it cannot be imported.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ConfigError(
            f"tracker {tracker!r} cannot import {module} ({error}); pip install 'moft[{tracker}]', or leave the tracker out."
        ) from error
