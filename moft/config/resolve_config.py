"""Checks a config value against an annotation and selects its components; collects all mistakes."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, NoReturn

from moft.config.deferred_component import DeferredComponent, raise_with_path
from moft.config.error_messages import shown, words_of_shape
from moft.config.secret_variables import has_secret
from moft.config.setting_annotations import (
    ChoiceShape,
    ComponentShape,
    ContainerShape,
    RecordShape,
    Shape,
    Unsupported,
    ValueShape,
)
from moft.config.signature import Parameter, fields_of, signature_of
from moft.config.value_validation import validated
from moft.errors import ConfigError, PluginError
from moft.hooks.plugin_manager import Plugins
from moft.hooks.registry import SINGULAR
from moft.renames import new_name
from moft.setting_types import Default
from moft.suggestions import listed, nearest


@dataclass(frozen=True)
class Resolved:
    """A checked part of a config.

    Args:
        plain: the same as YAML can hold it, with every default filled in; resolving it again gives itself.
        make: builds the object; each call builds a new one.
        parts: what it is made of, each to be built by itself: the fields of a record, settings of a component, entries.
    """

    plain: Any
    make: Callable[[], Any]
    parts: Mapping[str, Resolved] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Resolved:
        return self.parts[name]


class Resolver:
    """Checks a value against a shape, selects its components and collects every mistake; a part with a mistake gives None.

    Args:
        plugins: where components come from.
        homes: the folders that a relative `PathOrName` is looked up in; none leaves it unchanged.
        late: paths of factories, as of `resolve`.

    Attributes:
        mistakes: of the user, one line each.
        faults: of plugins.
    """

    def __init__(self, plugins: Plugins, homes: Sequence[Path], late: Sequence[str] = ()) -> None:
        self.plugins, self.homes, self.late = plugins, homes, late
        self.mistakes: list[str] = []
        self.faults: list[PluginError] = []
        self.parents: list[tuple[Any, str]] = []  # the mappings and lists around the value, with their paths

    def value(self, shape: Shape, value: Any, path: str) -> Resolved | None:
        is_open = isinstance(value, Mapping | list | tuple)
        if is_open and any(value is other and path != where for other, where in self.parents):
            return self._mistake(path, "contains itself.")
        if is_open:
            self.parents.append((value, path))
        try:
            return self._value(shape, value, path)
        except PluginError as error:
            if not str(error).startswith(f"{path or 'config'}: "):
                error.args = (f"{path or 'config'}: {error}",)
            self.faults.append(error)
            return None
        finally:
            if is_open:
                self.parents.pop()

    def _value(self, shape: Shape, value: Any, path: str) -> Resolved | None:
        match shape:
            case ValueShape(annotation):
                found, plain, mistakes = validated(annotation, value, path, self.homes)
                self.mistakes += mistakes
                return None if mistakes else Resolved(plain, lambda: found)
            case ComponentShape():
                return self._component(shape, value, path)
            case RecordShape():
                return self._record(shape, value, path)
            case ContainerShape():
                return self._many(shape, value, path)
            case ChoiceShape():
                return self._one_of(shape, value, path)

    def _mistake(self, path: str, text: str) -> Resolved | None:
        """Adds a mistake; a part with a mistake resolves to None."""
        self.mistakes.append(f"{path or 'config'}: {text}")
        return None

    def _component(self, shape: ComponentShape, value: Any, path: str) -> Resolved | None:
        kind = SINGULAR[shape.kind]
        if shape.from_list is not None and isinstance(value, list | tuple):
            value = {"name": shape.from_list.name, shape.from_list.setting: list(value)}
        given = {"name": value} if isinstance(value, str) else value
        if not isinstance(given, Mapping):
            more = "" if shape.from_list is None else f", or a list of {kind}s"
            return self._mistake(path, f"must be {_a(kind)}: a name, or a mapping with a name{more}, got {shown(value)}.")
        given = _named(given, shape.default)
        name = given.get("name")
        if not isinstance(name, str):
            known = listed(sorted(offer.component.name for offer in self.plugins.offers(shape.kind)))
            got = f", got {shown(name)}" if "name" in given else ""
            return self._mistake(path, f"needs the name of {_a(kind)}{got}. Known {shape.kind}: {known}.")
        try:
            offer = self.plugins.offer(shape.kind, name)
        except PluginError as error:
            return self._mistake(path, str(error))
        if offer.requirement:
            told = f"{kind} {name!r} {offer.requirement}"
            if not any(f"{path}.".startswith(f"{late}.") for late in self.late):
                return self._mistake(path, told)
            missing = _missing(f"[{path}] {told}")
            return Resolved(given, lambda: missing if shape.is_factory else missing())
        owner = f"{kind} {name!r} of plugin {offer.origin}"
        target = offer.load()
        signature = signature_of(target, owner)
        if signature.engine and not shape.is_factory:
            raise PluginError(
                f"{owner} has {listed(signature.engine)} before the '*' of its signature, which moft does not supply here."
            )
        settings = {key: item for key, item in given.items() if key != "name"}
        unsettable = [argument for argument in signature.optional if argument in settings or not shape.is_factory]
        if unsettable:
            raise PluginError(
                f"{owner} has {listed(unsettable)} before the '*' of its signature, where a config cannot set it; settings come "
                f"after it, as in (*, {unsettable[0]}: float = 1.0)."
            )
        parts = self._settings(signature.settings, settings, path, f"{kind} {name!r}", owner)
        if parts is None:
            return None

        def built() -> dict[str, Any]:
            return {key: part.make() for key, part in parts.items()}

        def make() -> Any:
            later = DeferredComponent(_built_late(target, built)) if path in self.late else DeferredComponent(target, **built())
            later.path, later.owner = path, owner
            return later if shape.is_factory else later()

        return Resolved({"name": name, **{key: part.plain for key, part in parts.items()}}, make, parts)

    def _record(self, shape: RecordShape, value: Any, path: str) -> Resolved | None:
        fields = fields_of(shape.type)
        if isinstance(value, shape.type):
            value = {parameter.name: getattr(value, parameter.name) for parameter in fields}
        if isinstance(value, str) and shape.names:
            value = {"name": value}
        given = {} if value is None else value  # in YAML, `clicks:` with nothing below it
        if not isinstance(given, Mapping):
            return self._mistake(path, f"must be a mapping of {listed(p.name for p in fields)}, got {shown(value)}.")
        owner = f"record {shape.type.__name__}"
        parts = self._settings(fields, given, path, path or "the config", owner)
        if parts is None:
            return None

        def make() -> Any:
            built = {key: part.make() for key, part in parts.items()}
            try:
                return shape.type(**built)
            except Exception as error:
                raise_with_path(error, path, owner)

        order = sorted(parts, key=lambda key: key != "name")
        return Resolved({key: parts[key].plain for key in order}, make, parts)

    def _settings(
        self, parameters: tuple[Parameter, ...], given: Mapping[str, Any], path: str, holder: str, owner: str
    ) -> dict[str, Resolved] | None:
        """Each setting resolved, with defaults for what is not given."""
        names = [parameter.name for parameter in parameters]
        before = len(self.mistakes) + len(self.faults)
        for key in given:
            if key in names:
                continue
            if (new := new_name("setting", _joined(path, key))) in names:
                self._mistake(_joined(path, key), f"is now called {new!r}.")
            else:
                known = f"Settings of {holder}: {listed(names)}." if names else f"{holder} has no settings."
                self._mistake(_joined(path, key), f"unknown setting.{nearest(str(key), names)} {known}")
        parts = {}
        for parameter in parameters:
            where = _joined(path, parameter.name)
            if parameter.name not in given and parameter.is_required:
                self._mistake(where, f"is missing; it is required ({words_of_shape(parameter.shape)}).")
                continue
            first = len(self.mistakes)
            try:
                part = self.value(parameter.shape, given.get(parameter.name, parameter.default), where)
            except Unsupported as error:
                raise PluginError(f"{owner}: setting {parameter.name!r} has annotation {error}.") from error
            if parameter.name not in given:
                self.mistakes[first:] = [f"{text} This is the default in {owner}." for text in self.mistakes[first:]]
            if part is not None:
                parts[parameter.name] = part
        return parts if len(self.mistakes) + len(self.faults) == before else None

    def _many(self, shape: ContainerShape, value: Any, path: str) -> Resolved | None:
        is_mapping = shape.container is dict
        if not isinstance(value, Mapping if is_mapping else list | tuple):
            return self._mistake(path, f"must be a {words_of_shape(shape)}, got {shown(value)}.")
        pairs: list[tuple[Any, Any]] = list(value.items() if isinstance(value, Mapping) else enumerate(value))
        items = {key: self.value(shape.item, item, _joined(path, key)) for key, item in pairs}
        parts = {key: item for key, item in items.items() if item is not None}
        if len(parts) < len(items):
            return None
        if shape.constraints:
            loose: Any = dict[str, Any] if is_mapping else list[Any]
            _, _, mistakes = validated(Annotated[(loose, *shape.constraints)], value if is_mapping else list(value), path)
            self.mistakes += mistakes
            if mistakes:
                return None
        named = {str(key): part for key, part in parts.items()}
        if is_mapping:
            plain = {key: p.plain for key, p in parts.items()}
            return Resolved(plain, lambda: {key: p.make() for key, p in parts.items()}, named)
        return Resolved([p.plain for p in parts.values()], lambda: shape.container(p.make() for p in parts.values()), named)

    def _one_of(self, shape: ChoiceShape, value: Any, path: str) -> Resolved | None:
        if value is None and shape.allows_none:
            return Resolved(None, lambda: None)
        value = _named(value, shape.default)
        plain = [member.annotation for member in shape.members if isinstance(member, ValueShape)]
        others = [member for member in shape.members if not isinstance(member, ValueShape)]
        if plain:
            found, dumped, mistakes = validated(functools.reduce(operator.or_, plain), value, path, self.homes)
            if not mistakes:
                return Resolved(dumped, lambda: found)
            if isinstance(value, str) and has_secret(value):  # a text, and no component or record
                self.mistakes += mistakes
                return None
        tagged = {name: member for member in others if isinstance(member, RecordShape) for name in member.names}
        if tagged and isinstance(value, str | Mapping):
            name = value if isinstance(value, str) else value.get("name")
            if isinstance(name, str) and name in tagged:
                return self.value(tagged[name], value, path)
            if len(tagged) >= len(others):
                hint = nearest(name, tagged) if isinstance(name, str) else ""
                got = f"got {shown(name)}" if name is not None else "and it is missing"
                return self._mistake(path, f"the name must be one of {listed(tagged)}, {got}.{hint}")
        fitting = [member for member in others if _fits(member, value)]
        if not fitting and (plain or len(others) > 1):
            return self._mistake(path, f"must be {words_of_shape(shape)}, got {shown(value)}.")
        return self.value((fitting or others)[0], value, path)


def _missing(told: str) -> Callable[..., Any]:
    """Stands for a component whose packages are not installed."""

    def refuse(*arguments: Any, **settings: Any) -> NoReturn:
        raise ConfigError(told)

    return refuse


def _built_late(target: Callable[..., Any], built: Callable[[], dict[str, Any]]) -> Callable[..., Any]:
    """A component whose settings are built once, when it is called first."""
    settings = functools.cache(built)
    return lambda *arguments, **others: target(*arguments, **settings(), **others)


def _named(value: Any, default: Default | None) -> Any:
    """Adds the name of the default component to settings without a name, and keeps its other settings."""
    if default is None or not isinstance(value, Mapping) or "name" in value:
        return value
    return {"name": default.name, **default.settings, **value}


def _fits(shape: Shape, value: Any) -> bool:
    """Whether a value looks as if it were meant for a shape."""
    match shape:
        case ComponentShape():
            is_list = isinstance(value, list | tuple) and shape.from_list is not None
            return is_list or isinstance(value, str) or (isinstance(value, Mapping) and "name" in value)
        case RecordShape(record):
            return isinstance(value, Mapping | record) or (bool(shape.names) and isinstance(value, str))
        case ContainerShape(_, container):
            return isinstance(value, Mapping if container is dict else list | tuple)
    return True


def _joined(path: str, key: Any) -> str:
    """The path of a setting."""
    return f"{path}.{key}" if path else str(key)


def _a(word: str) -> str:
    """The word with its article."""
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"
