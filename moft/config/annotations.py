"""What an annotation asks for: a component, a record, a list, a mapping or a choice of these, or a value for pydantic."""

from __future__ import annotations

import collections.abc
import dataclasses
import types
import typing
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union

from moft.interfaces import Conditioner, Evaluator, Indicator, Loss, Method, Sampler, Scalarizer, Scorer, Task, Tracker
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
}


class Unsupported(Exception):  # noqa: N818
    """An annotation that no config value can fill."""


@dataclass(frozen=True)
class Value:
    """Anything that pydantic validates."""

    annotation: Any


@dataclass(frozen=True)
class Chosen:
    """A component, selected by name; a factory is called later, with what stands left of its star. A list is `several`."""

    kind: str
    is_factory: bool
    default: Default | None = None
    several: FromList | None = None


@dataclass(frozen=True)
class Record:
    """A dataclass; `names` are what its field `name` allows, where it is one of several to choose from."""

    type: type[Any]
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Many:
    """A list or tuple of items, or a mapping of names to items, under constraints of its size."""

    item: Shape
    container: type[list[Any]] | type[tuple[Any, ...]] | type[dict[str, Any]]
    constraints: tuple[Any, ...] = ()


@dataclass(frozen=True)
class OneOf:
    """One of several shapes, or None where that is allowed."""

    members: tuple[Shape, ...]
    allows_none: bool
    default: Default | None = None


Shape = Value | Chosen | Record | Many | OneOf


def shape_of(annotation: Any, default: Default | None = None, several: FromList | None = None) -> Shape:
    """The shape of an annotation.

    Args:
        annotation: as `typing.get_type_hints(..., include_extras=True)` gives it.
        default: the component to take when none is named; an annotation's own wins.
        several: the component that a list stands for, likewise.

    Raises:
        Unsupported: components or records stand in a container other than a list, a tuple or a mapping.
    """
    bare, metadata = _stripped(annotation)
    default = next((item for item in metadata if isinstance(item, Default)), default)
    several = next((item for item in metadata if isinstance(item, FromList)), several)
    constraints = tuple(item for item in metadata if not isinstance(item, Default | FromList))
    origin, arguments = typing.get_origin(bare), typing.get_args(bare)
    if _kind(bare):
        return Chosen(_kind(bare), False, default, several)
    if origin is collections.abc.Callable and len(arguments) == 2 and arguments[0] is Ellipsis and _kind(arguments[1]):
        return Chosen(_kind(arguments[1]), True, default, several)
    if isinstance(bare, type) and dataclasses.is_dataclass(bare):
        return Record(bare, _names(bare))
    if origin in (Union, types.UnionType):
        members = tuple(shape_of(member, default, several) for member in arguments if member is not types.NoneType)
        if any(not isinstance(member, Value) for member in members):
            return OneOf(members, types.NoneType in arguments, default)
        return Value(annotation)
    if origin in (dict, collections.abc.Mapping) and arguments[0] is str:
        return _many(annotation, arguments[1], dict, constraints)
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return _many(annotation, arguments[0], tuple, constraints)
    if origin in (list, collections.abc.Sequence):
        return _many(annotation, arguments[0], list if origin is list else tuple, constraints)
    if origin is not None and any(not isinstance(shape_of(item), Value) for item in arguments if not isinstance(item, list)):
        raise Unsupported(f"{annotation} cannot be filled from a config: use a list, tuple[X, ...] or dict[str, X]")
    return Value(annotation)


def default_of(annotation: Any) -> Default | None:
    """The component that an annotation takes when the config names none."""
    return next((item for item in _stripped(annotation)[1] if isinstance(item, Default)), None)


def _many(annotation: Any, item: Any, container: Any, constraints: tuple[Any, ...]) -> Shape:
    """A container of components or records, or a plain value."""
    inner = shape_of(item)
    return Value(annotation) if isinstance(inner, Value) else Many(inner, container, constraints)


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
