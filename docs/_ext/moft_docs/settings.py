"""Settings of records and components, from their signatures and docstrings."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any

from moft.config.annotations import ChoiceShape, ContainerShape, RecordShape, Shape
from moft.config.json_schema import Setting, settings_of, settings_of_record
from moft.config.signature import Parameter, fields_of, signature_of
from moft.hooks.plugin_manager import Plugins
from moft.hooks.registry import SINGULAR
from moft_docs.markdown import default_in_words, table

LONGEST = 60
"""Characters of a default that still fits a column."""


def record_reference(path: str) -> str:
    """The settings of the record at `package.module:Name`."""
    module, _, name = path.partition(":")
    return settings_table(settings_of_record(getattr(importlib.import_module(module), name)))


def component_reference(kind: str) -> str:
    """A section for each component of a kind, then one for each record among their settings."""
    parts = []
    for offer in _plugins().offers(kind):
        target = offer.component.load()
        name = offer.component.name
        parts += [f"### {SINGULAR[kind].capitalize()} `{name}`", about(target) or _sentence(offer.component.summary)]
        settings = settings_of(target)
        parts.append(settings_table(settings) if settings else "It has no settings.")
        for record in records_of(signature_of(target, name).settings):
            parts += [f"#### Settings of `{record.__name__}`", about(record), settings_table(settings_of_record(record))]
    return "\n\n".join(parts)


def settings_table(settings: Iterable[Setting]) -> str:
    """Name, type, default and meaning of each setting."""
    rows = [(f"`{s.name}`", s.type, _default(s), s.help) for s in settings]
    return table(("setting", "type", "default", "meaning"), rows)


def about(target: Callable[..., Any]) -> str:
    """What a docstring says beside its arguments and errors."""
    blocks = (inspect.getdoc(target) or "").split("\n\n")
    return "\n\n".join(block for block in blocks if not block.startswith(("Args:", "Raises:")))


def records_of(parameters: Iterable[Parameter]) -> list[type[Any]]:
    """The records among some settings, and among theirs, each once."""
    found: list[type[Any]] = []
    for parameter in parameters:
        for record in _records_in(parameter.shape):
            if record not in found:
                found.append(record)
                found += [inner for inner in records_of(fields_of(record)) if inner not in found]
    return found


def _records_in(shape: Shape) -> Iterator[type[Any]]:
    match shape:
        case RecordShape(record):
            yield record
        case ContainerShape(item):
            yield from _records_in(item)
        case ChoiceShape(members):
            for member in members:
                yield from _records_in(member)


def _default(setting: Setting) -> str:
    words = default_in_words(setting.default)
    if setting.is_required:
        return "required"
    return f"`{words}`" if len(words) <= LONGEST else "its own defaults"


def _sentence(summary: str) -> str:
    return f"{summary[:1].upper()}{summary[1:]}." if summary else ""


@cache
def _plugins() -> Plugins:
    plugins = Plugins()
    plugins.load()
    return plugins
