"""The settings of a component in words, and the JSON Schema of config files, from which editors complete them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, is_dataclass
from pathlib import PurePath
from typing import Annotated, Any

from moft.config.error_messages import words_of
from moft.config.setting_annotations import (
    ChoiceShape,
    ComponentShape,
    ContainerShape,
    RecordShape,
    Shape,
    Unsupported,
    ValueShape,
    shape_of,
)
from moft.config.signature import Parameter, fields_of, help_of, signature_of
from moft.config.value_validation import adapter_of
from moft.errors import PluginError
from moft.hooks.plugin_manager import Plugins
from moft.hooks.registry import SINGULAR, Offer
from moft.setting_types import Default

DIALECT = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True)
class Setting:
    """One setting of a component or a record.

    Args:
        name: in the config file.
        type: in words.
        default: as in a config file; None also if there is none.
        is_required: whether the config has to give it.
        help: its meaning, from the docstring's `Args`; empty if it is not there.
    """

    name: str
    type: str
    default: Any
    is_required: bool
    help: str


def settings_of(target: Callable[..., Any]) -> list[Setting]:
    """The settings of a component's target.

    Raises:
        PluginError: a config cannot fill its signature.
    """
    return _settings(target, signature_of(target, getattr(target, "__name__", type(target).__name__)).settings)


def settings_of_record(record: type[Any]) -> list[Setting]:
    """The settings of a record, which are its fields.

    Raises:
        PluginError: a config cannot fill the annotation of a field.
    """
    return _settings(record, fields_of(record))


def json_schema(annotation: Any, plugins: Plugins) -> dict[str, Any]:
    """The JSON Schema of an annotation, in which a component is any of those registered.

    Raises:
        PluginError: a config cannot fill the annotation.
    """
    return _finished(_Schemas(plugins), annotation)


def component_schema(kind: str, name: str, plugins: Plugins) -> dict[str, Any]:
    """The JSON Schema of one component with its settings.

    Raises:
        PluginError: the component is unknown or cannot be imported, or a config cannot fill its signature.
    """
    schemas = _Schemas(plugins)
    offer = plugins.offer(kind, name)
    schema = schemas.component(kind, offer)
    return {"$schema": DIALECT, **schema, **({"$defs": schemas.definitions} if schemas.definitions else {})}


class _Schemas:
    """Collects a definition for each component and record, so that they may contain each other."""

    def __init__(self, plugins: Plugins) -> None:
        self.plugins = plugins
        self.definitions: dict[str, Any] = {}

    def of(self, shape: Shape) -> dict[str, Any]:
        match shape:
            case ValueShape(annotation):
                return self._value(annotation)
            case ComponentShape(kind, _, default, from_list):
                named = one = self._chosen(kind)
                if default is not None and (unnamed := self._unnamed(kind, default)):
                    one = {"anyOf": [named, unnamed]}
                return one if from_list is None else {"anyOf": [one, {"type": "array", "items": named, "minItems": 1}]}
            case RecordShape(record, names):
                return self._record(record, names)
            case ContainerShape(item, container, constraints):
                if container is dict:
                    return {"type": "object", "additionalProperties": self.of(item), **self._limits(dict[str, Any], constraints)}
                return {"type": "array", "items": self.of(item), **self._limits(list[Any], constraints)}
            case ChoiceShape(members, allows_none):
                return {"anyOf": [*map(self.of, members), *([{"type": "null"}] if allows_none else [])]}

    def component(self, kind: str, offer: Offer) -> dict[str, Any]:
        """The schema of a component in its long form: a mapping of its name and settings."""
        owner, target = _owner(kind, offer), offer.load()
        named = {"name": {"const": offer.component.name}}
        schema = self._settings(signature_of(target, owner).settings, help_of(target), owner, named)
        return {"description": offer.component.summary, **schema} if offer.component.summary else schema

    def _settings(
        self, parameters: tuple[Parameter, ...], meanings: Mapping[str, str], owner: str, named: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The schema of a mapping of settings; the properties `named` come first."""
        properties, required = dict(named), list(named)
        for parameter in parameters:
            try:
                schema = self.of(parameter.shape)
            except Unsupported as error:
                raise PluginError(f"{owner}: setting {parameter.name!r} has annotation {error}.") from error
            if parameter.name in meanings:
                schema = {**schema, "description": meanings[parameter.name]}
            if parameter.is_required:
                required.append(parameter.name)
            else:
                schema = {**schema, "default": _plain(parameter.default)}
            properties[parameter.name] = schema
        return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}

    def _value(self, annotation: Any) -> dict[str, Any]:
        schema = adapter_of(annotation).json_schema()
        self.definitions.update(schema.pop("$defs", {}))
        return schema

    def _limits(self, container: Any, constraints: tuple[Any, ...]) -> dict[str, Any]:
        """The limits that constraints set on the size of a container."""
        schema = self._value(Annotated[(container, *constraints)]) if constraints else {}
        return {key: value for key, value in schema.items() if key.startswith(("min", "max"))}

    def _chosen(self, kind: str) -> dict[str, Any]:
        key = SINGULAR[kind]
        if key not in self.definitions:
            self.definitions[key] = {}  # components may contain components of their own kind
            offers = self.plugins.offers(kind)
            names = [{"const": o.component.name, "description": o.component.summary} for o in offers]
            self.definitions[key] = {"anyOf": [*names, *map(self._component, [kind] * len(offers), offers)]}
        return {"$ref": f"#/$defs/{key}"}

    def _unnamed(self, kind: str, default: Default) -> dict[str, Any]:
        """The settings of the default component, which needs no name; empty if the component does not work."""
        key = f"{SINGULAR[kind]}.{default.name}.default"
        if key not in self.definitions:
            self.definitions[key] = {}
            try:
                whole = self.component(kind, self.plugins.offer(kind, default.name))
            except PluginError:
                return {}
            given = {"name", *default.settings}
            self.definitions[key] = {**whole, "required": [name for name in whole["required"] if name not in given]}
        return {"$ref": f"#/$defs/{key}"}

    def _component(self, kind: str, offer: Offer) -> dict[str, Any]:
        name = offer.component.name
        key = f"{SINGULAR[kind]}.{name}"
        try:
            self.definitions[key] = self.component(kind, offer)
        except PluginError as error:  # a broken component must not stop completion for the others
            named = {"type": "object", "properties": {"name": {"const": name}}, "required": ["name"]}
            self.definitions[key] = {**named, "description": f"Its settings are not known: {error}"}
        return {"$ref": f"#/$defs/{key}"}

    def _record(self, record: type[Any], names: tuple[str, ...]) -> dict[str, Any]:
        key = f"{record.__module__}.{record.__name__}"
        if key not in self.definitions:
            self.definitions[key] = {}
            self.definitions[key] = self._settings(fields_of(record), help_of(record), f"record {record.__name__}", {})
        whole = {"$ref": f"#/$defs/{key}"}
        return {"anyOf": [*({"const": name} for name in names), whole]} if names else whole


def _finished(schemas: _Schemas, annotation: Any) -> dict[str, Any]:
    """The schema of an annotation, with all definitions that it refers to."""
    try:
        schema = schemas.of(shape_of(annotation))
    except Unsupported as error:
        raise PluginError(f"annotation {error}.") from error
    return {"$schema": DIALECT, **schema, **({"$defs": schemas.definitions} if schemas.definitions else {})}


def _settings(holder: Any, parameters: tuple[Parameter, ...]) -> list[Setting]:
    """Parameters in words, with their meanings."""
    meanings = help_of(holder)
    return [
        Setting(
            p.name, words_of(p.annotation), None if p.is_required else _plain(p.default), p.is_required, meanings.get(p.name, "")
        )
        for p in parameters
    ]


def _owner(kind: str, offer: Offer) -> str:
    """A component in words."""
    return f"{SINGULAR[kind]} {offer.component.name!r} of plugin {offer.origin}"


def _plain(default: Any) -> Any:
    """A default as in a config file."""
    if is_dataclass(default) and not isinstance(default, type):
        return {parameter.name: _plain(getattr(default, parameter.name)) for parameter in fields_of(type(default))}
    if isinstance(default, Mapping):
        return {key: _plain(item) for key, item in default.items()}
    if isinstance(default, list | tuple | set | frozenset):
        return [_plain(item) for item in default]
    return str(default) if isinstance(default, PurePath) else getattr(default, "value", default)
