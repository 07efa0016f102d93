"""The cache folder: converted data, downloaded datasets, reference scores, and whatever else is costly to make again."""

from __future__ import annotations

import os
from pathlib import Path

from moft.errors import ConfigError


def writable_cache_folder() -> Path:
    """The same folder, for what will write there; it is made if it does not exist.

    Raises:
        ConfigError: nothing can be written there.
    """
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be made ({error.strerror}). {_ADVICE}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(f"{folder}: is not writable. {_ADVICE}")
    return folder


def cache_advice(path: Path) -> str:
    """What to do about a path in the cache folder that cannot be written, in a sentence after a space; empty for other paths."""
    return f" {_ADVICE}" if path.absolute().is_relative_to(cache_folder().absolute()) else ""


_ADVICE = "It is the cache folder of moft: set MOFT_CACHE to a folder that is writable."


def cache_folder() -> Path:
    """`$MOFT_CACHE`, else `$XDG_CACHE_HOME/moft`, else `~/.cache/moft`; it need not exist."""
    if chosen := os.environ.get("MOFT_CACHE"):
        return Path(chosen).expanduser()
    if shared := os.environ.get("XDG_CACHE_HOME"):
        return Path(shared).expanduser() / "moft"
    return Path.home() / ".cache" / "moft"
