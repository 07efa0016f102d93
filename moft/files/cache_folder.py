"""The cache folder: converted data, downloaded datasets, reference scores, and whatever else is costly to make again."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """`$MOFT_CACHE`, else `$XDG_CACHE_HOME/moft`, else `~/.cache/moft`; it need not exist."""
    if chosen := os.environ.get("MOFT_CACHE"):
        return Path(chosen).expanduser()
    if shared := os.environ.get("XDG_CACHE_HOME"):
        return Path(shared).expanduser() / "moft"
    return Path.home() / ".cache" / "moft"
