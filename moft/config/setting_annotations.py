"""The shape of a setting, from its type annotation: a component, a record, a list, a mapping, a choice, or a plain value."""

from __future__ import annotations

import collections.abc
import dataclasses
import types
import typing
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union

from moft.interfaces import Conditioner, Evaluator, Indicator, Loss, Method, Reader, Sampler, Scalarizer, Scorer, Task, Tracker
from moft.setting_types import Default, FromList

KIND_OF: dict[Any, str] = {
    Task: "tasks",
    Method: "methods",
    Loss: "losses",
    Scalarizer: "scalarizers",
    Conditioner: "conditioners",
    Sampler: "samplers",
    Evaluator: "evaluators",
    Indicator: "indicators",
    Scorer: "scorers",
    Tracker: "trackers",
    Reader: "readers",
}


class Unsupported(Exception):  # noqa: N818
    """An annotation that no config value can fill."""


@dataclass(frozen=True)
class ValueShape:
    """A plain value, which pydantic validates."""

    annotation: Any


@dataclass(frozen=True)
class ComponentShape:
    """A component, selected by name.

    Args:
        kind: of component, such as `losses`.
        is_factory: whether the engine supplies more arguments later.
        default: the component to take when none is named.
        from_list: the component that a list stands for.
    """

    kind: str
    is_factory: bool
    default: Default | None = None
    from_list: FromList | None = None


@dataclass(frozen=True)
class RecordShape:
    """A dataclass; `names` are what its field `name` allows, if it is one of several to choose from."""

    type: type[Any]
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class ContainerShape:
    """A list or tuple of items, or a mapping of names to items, with constraints on its size."""

    item: Shape
    container: type[list[Any]] | type[tuple[Any, ...]] | type[dict[str, Any]]
    constraints: tuple[Any, ...] = ()


@dataclass(frozen=True)
class ChoiceShape:
    """One of several shapes, or None where that is allowed."""

    members: tuple[Shape, ...]
    allows_none: bool
    default: Default | None = None


Shape = ValueShape | ComponentShape | RecordShape | ContainerShape | ChoiceShape


def shape_of(annotation: Any, default: Default | None = None, from_list: FromList | None = None) -> Shape:
    """The shape of an annotation.

    Args:
        annotation: as `typing.get_type_hints(..., include_extras=True)` gives it.
        default: the component to take when none is named; an annotation's own wins.
        from_list: the component that a list stands for, likewise.

    Raises:
        Unsupported: components or records are in a container other than a list, a tuple or a mapping.
    """
    bare, metadata = _stripped(annotation)
    default = next((item for item in metadata if isinstance(item, Default)), default)
    from_list = next((item for item in metadata if isinstance(item, FromList)), from_list)
    constraints = tuple(item for item in metadata if not isinstance(item, Default | FromList))
    origin, arguments = typing.get_origin(bare), typing.get_args(bare)
    if _kind(bare):
        return ComponentShape(_kind(bare), False, default, from_list)
    if origin is collections.abc.Callable and len(arguments) == 2 and arguments[0] is Ellipsis and _kind(arguments[1]):
        return ComponentShape(_kind(arguments[1]), True, default, from_list)
    if isinstance(bare, type) and dataclasses.is_dataclass(bare):
        return RecordShape(bare, _names(bare))
    if origin in (Union, types.UnionType):
        members = tuple(shape_of(member, default, from_list) for member in arguments if member is not types.NoneType)
        if any(not isinstance(member, ValueShape) for member in members):
            return ChoiceShape(members, types.NoneType in arguments, default)
        return ValueShape(annotation)
    if origin in (dict, collections.abc.Mapping) and arguments[0] is str:
        return _many(annotation, arguments[1], dict, constraints)
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return _many(annotation, arguments[0], tuple, constraints)
    if origin in (list, collections.abc.Sequence):
        return _many(annotation, arguments[0], list if origin is list else tuple, constraints)
    if origin is not None and any(not isinstance(shape_of(item), ValueShape) for item in arguments if not isinstance(item, list)):
        raise Unsupported(f"{annotation} cannot be filled from a config: use a list, tuple[X, ...] or dict[str, X]")
    return ValueShape(annotation)


def default_of(annotation: Any) -> Default | None:
    """The component that an annotation takes when the config names none."""
    return next((item for item in _stripped(annotation)[1] if isinstance(item, Default)), None)


def _many(annotation: Any, item: Any, container: Any, constraints: tuple[Any, ...]) -> Shape:
    """A container of components or records, or a plain value."""
    inner = shape_of(item)
    return ValueShape(annotation) if isinstance(inner, ValueShape) else ContainerShape(inner, container, constraints)


def _stripped(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """An annotation without its metadata and aliases, and the metadata."""
    metadata: tuple[Any, ...] = ()
    while True:
        if typing.get_origin(annotation) is Annotated:
            metadata += annotation.__metadata__
            annotation = annotation.__origin__
        elif hasattr(annotation, "__value__"):  # `type X = ...`
            annotation = annotation.__value__
        else:
            return annotation, metadata


def _kind(annotation: Any) -> str:
    """The kind of component that an interface asks for, or empty."""
    interface = typing.get_origin(annotation) or annotation
    return KIND_OF.get(interface, "") if isinstance(interface, type) else ""


def _names(record: type[Any]) -> tuple[str, ...]:
    """What the field `name: Literal[...]` of a record allows."""
    if not any(field.name == "name" for field in dataclasses.fields(record)):
        return ()
    annotation, _ = _stripped(typing.get_type_hints(record, include_extras=True)["name"])
    return tuple(typing.get_args(annotation)) if typing.get_origin(annotation) is Literal else ()
