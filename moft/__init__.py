"""Multi-objective fine-tuning: train once, steer at inference. This face is light; `moft.api` has the rest."""

from __future__ import annotations

from moft.cache import cache_folder
from moft.errors import ConfigError, DataError, MoftError, PluginError, RunError, ShapeError
from moft.hooks.component import Component
from moft.hooks.specs import hookimpl

__all__ = [
    "Component",
    "ConfigError",
    "DataError",
    "MoftError",
    "PluginError",
    "RunError",
    "ShapeError",
    "cache_folder",
    "hookimpl",
]
__version__ = "0.1.0"
