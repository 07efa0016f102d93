"""Settings of records and components, from their signatures and docstrings."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from moft_docs.docstrings import parsed
from moft_docs.internals import (
    SINGULAR,
    ChoiceShape,
    ContainerShape,
    Parameter,
    RecordShape,
    RunSettings,
    Setting,
    Shape,
    TextSettings,
    fields_of,
    settings_of,
    settings_of_record,
    shipped_plugins,
    signature_of,
    words_of_shape,
)
from moft_docs.markdown import anchor, default_in_words, sentence, table

LONGEST = 60
"""Characters of a default that still fits a column."""


@dataclass(frozen=True)
class Inner:
    """A record among the settings of a component.

    Args:
        record: its class.
        path: of the setting that takes it, from the component on.
        name: by which it is chosen among others; empty where it is the only one.
        owner: name of the component.
    """

    record: type[Any]
    path: str
    name: str
    owner: str

    @property
    def heading(self) -> str:
        """Of its section."""
        chosen = f"{self.path}: {self.name}" if self.name else self.path
        return f"`{chosen}` of `{self.owner}`"

    @property
    def link(self) -> str:
        """To its section: the name it is chosen by, or `settings`."""
        return f"[{f'`{self.name}`' if self.name else 'settings'}](#{anchor(self.heading)})"


def record_reference(name: str) -> str:
    """The settings of a record of the whole config, such as `RunSettings`, or of a text; what stands before a colon is left out.

    Raises:
        KeyError: there is no such record.
    """
    records: dict[str, type[Any]] = {record.__name__: record for record in (RunSettings, TextSettings)}
    records |= {inner.record.__name__: inner.record for inner in _inner_of(fields_of(RunSettings), "", "")}
    record = records[name.rpartition(":")[2]]
    return _table(fields_of(record), settings_of_record(record), "", "")


def component_reference(kind: str) -> str:
    """A table of the components of a kind, then a section for each, and for each record among its settings."""
    rows, parts = [], []
    for offer in shipped_plugins().offers(kind):
        name, target = offer.component.name, offer.component.load()
        heading = f"{SINGULAR[kind].capitalize()} `{name}`"
        rows.append((f"[`{name}`](#{anchor(heading)})", sentence(offer.component.summary)))
        parameters = signature_of(target, name).settings
        parts += [f"### {heading}", *_section(target, parameters, settings_of(target), "", name)]
        for inner in _inner_of(parameters, "", name):
            fields = fields_of(inner.record)
            parts += [
                f"#### {inner.heading}",
                *_section(inner.record, fields, settings_of_record(inner.record), inner.path, name),
            ]
    return "\n\n".join([table((SINGULAR[kind], "summary"), rows), *parts])


def _section(
    target: Callable[..., Any], parameters: Sequence[Parameter], settings: Sequence[Setting], path: str, owner: str
) -> Iterator[str]:
    """What a docstring says, with the table of the settings before its source."""
    text = inspect.getdoc(target) or ""
    is_pythons = text.startswith(f"{getattr(target, '__name__', '')}(")  # what a dataclass is given, other in each version
    doc = parsed("" if is_pythons else text)
    if doc.summary:
        yield doc.summary
    if doc.body:
        yield doc.body
    yield _table(parameters, settings, path, owner)
    if doc.source:
        yield f"Source: {doc.source}"


def _table(parameters: Sequence[Parameter], settings: Sequence[Setting], path: str, owner: str) -> str:
    """Name, type, default and meaning of each setting, but for the name by which a record is chosen."""
    rows = [
        (f"`{s.name}`", _type(parameter.shape, _below(path, s.name), owner), _default(s), sentence(s.help))
        for parameter, s in zip(parameters, settings, strict=True)
        if not (s.name == "name" and s.default)
    ]
    return table(("setting", "type", "default", "meaning"), rows) if rows else "No settings."


def _type(shape: Shape, path: str, owner: str) -> str:
    """A type in words; records are links to their sections, where a component has some."""
    match shape:
        case RecordShape(record, names):
            inner = [Inner(record, path, name, owner).link for name in names or ("",)]
            return " or ".join(inner) if owner else "mapping"
        case ContainerShape(item, container) if container is dict and list(_records_in(item)):
            return f"mapping of names to {_type(item, f'{path}.NAME', owner)}"
        case ChoiceShape(members, allows_none) if any(list(_records_in(member)) for member in members):
            types = [*(_type(member, path, owner) for member in members), *(["null"] if allows_none else [])]
            return " or ".join([", ".join(types[:-1]), types[-1]] if len(types) > 1 else types)
    return re.sub(r"'([^']*)'", r"`\1`", words_of_shape(shape))


def _inner_of(parameters: Sequence[Parameter], path: str, owner: str) -> Iterator[Inner]:
    """The records among some settings, each followed by those among its own."""
    for parameter in parameters:
        place = _below(path, parameter.name)
        for record, names, where in _records_in(parameter.shape):
            for name in names or ("",):
                yield Inner(record, f"{place}{where}", name, owner)
            yield from _inner_of(fields_of(record), f"{place}{where}", owner)


def _records_in(shape: Shape) -> Iterator[tuple[type[Any], tuple[str, ...], str]]:
    """Each record of a shape with the names that choose it, and what stands between the setting and it."""
    match shape:
        case RecordShape(record, names):
            yield record, names, ""
        case ContainerShape(item, container):
            for record, names, where in _records_in(item):
                yield record, names, f"{'.NAME' if container is dict else ''}{where}"
        case ChoiceShape(members):
            for member in members:
                yield from _records_in(member)


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _default(setting: Setting) -> str:
    if setting.is_required:
        return "required"
    words = default_in_words(setting.default)
    if len(words) > LONGEST:
        name = setting.default.get("name") if isinstance(setting.default, dict) else None
        return f"`{name}`" if name else "its defaults"
    return f"`{words}`"
