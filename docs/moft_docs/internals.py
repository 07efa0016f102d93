"""The names of moft that the reference is made with and that are not public, in one place."""

from __future__ import annotations

import importlib.metadata
from functools import cache

from moft.cli.app import application
from moft.config.error_messages import words_of, words_of_shape
from moft.config.json_schema import Setting, settings_of, settings_of_record
from moft.config.setting_annotations import ChoiceShape, ContainerShape, RecordShape, Shape
from moft.config.signature import Parameter, fields_of, signature_of
from moft.hooks import specs
from moft.hooks.plugin_manager import ENTRY_POINTS, SHIPPED, Plugins
from moft.hooks.registry import KINDS, SINGULAR
from moft.interfaces import TextSettings
from moft.run.run_settings import RunSettings

__all__ = [
    "KINDS",
    "SINGULAR",
    "ChoiceShape",
    "ContainerShape",
    "Parameter",
    "RecordShape",
    "RunSettings",
    "Setting",
    "Shape",
    "TextSettings",
    "application",
    "fields_of",
    "settings_of",
    "settings_of_record",
    "shipped_plugins",
    "signature_of",
    "specs",
    "words_of",
    "words_of_shape",
]


@cache
def shipped_plugins() -> Plugins:
    """The plugins of moft itself, whatever else is installed.

    Raises:
        RuntimeError: one of them does not work.
    """
    plugins = Plugins()
    installed = importlib.metadata.entry_points(group=ENTRY_POINTS)
    plugins.load(disable={entry.name for entry in installed if entry.dist and entry.dist.name != SHIPPED})
    for kind in KINDS:
        plugins.offers(kind)
    if plugins.broken():
        raise RuntimeError("; ".join(f"{broken.origin}: {broken.reason}" for broken in plugins.broken()))
    return plugins
