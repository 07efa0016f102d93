"""Types, values and mistakes in words, for messages about settings."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, Union

from annotated_types import Ge, Gt, Interval, Le, Len, Lt, MaxLen, MinLen

from moft.config.setting_annotations import ChoiceShape, ComponentShape, ContainerShape, RecordShape, Shape, ValueShape, shape_of
from moft.config.signature import fields_of
from moft.hooks.registry import SINGULAR
from moft.setting_types import MOST
from moft.suggestions import listed, nearest

_SIMPLE = {int: "whole number", float: "number", bool: "true or false", str: "text", Path: "path", Any: "anything"}
_MISTAKES = {
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "multiple_of": "must be a multiple of {multiple_of}",
    "finite_number": "must be finite",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "string_type": "must be text",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "path_type": "must be a path",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "set_type": "must be a list",
    "dict_type": "must be a mapping",
    "mapping_type": "must be a mapping",
    "none_required": "must be null",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "too_short": "must have at least {min_length} entries",
    "too_long": "must have at most {max_length} entries",
    "missing": "is missing",
}


def words_of(annotation: Any) -> str:
    """A type in words, such as `number > 0`."""
    return words_of_shape(shape_of(annotation))


def shown(value: Any) -> str:
    """A value as a config file would have it, short enough for a message."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return f"a mapping of {listed(map(str, value))}" if value else "an empty mapping"
    text = str(value) if isinstance(value, Path) else repr(list(value) if isinstance(value, tuple) else value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def reworded(error: Mapping[str, Any]) -> str:
    """A mistake that pydantic found, in words, without the value."""
    context = {key: _number(value) for key, value in error.get("ctx", {}).items()}
    if error["type"] in _MISTAKES:
        return _MISTAKES[error["type"]].format(**context)
    text = re.sub(r"^(Value error|Assertion failed), ", "", error["msg"])
    text = re.sub(r"^Input should be ", "must be ", text)
    return text.rstrip(".")


def suggestion(error: Mapping[str, Any]) -> str:
    """` Did you mean ...?` for a word that is near an allowed one."""
    expected = error.get("ctx", {}).get("expected", "")
    if error["type"] not in ("literal_error", "enum") or not isinstance(error["input"], str):
        return ""
    return nearest(error["input"], re.findall(r"'([^']*)'", expected))


def words_of_shape(shape: Shape) -> str:
    """A shape in words."""
    match shape:
        case ComponentShape(kind, _, _, from_list):
            return SINGULAR[kind] if from_list is None else f"{SINGULAR[kind]}, or a list of them"
        case RecordShape(record, names):
            return " or ".join(map(repr, names)) + " with its settings" if names else _record_words(record)
        case ContainerShape(item, container):
            inside = words_of_shape(item)
            return f"mapping of names to {inside}" if container is dict else f"list of {inside}"
        case ChoiceShape(members, allows_none):
            return _choice([*map(words_of_shape, members), *(["null"] if allows_none else [])])
        case ValueShape(annotation):
            return _value_words(annotation)


def _record_words(record: type[Any]) -> str:
    """A record in words: with what it must have, else with what it can have."""
    fields = fields_of(record)
    required = [field.name for field in fields if field.is_required]
    return f"mapping with {listed(required)}" if required else f"mapping of {listed(field.name for field in fields)}"


def _value_words(annotation: Any) -> str:
    """A type that pydantic knows, in words."""
    if hasattr(annotation, "__value__"):
        return _value_words(annotation.__value__)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        limits = [text for constraint in arguments[1:] for text in _constraint_words(constraint)]
        if arguments[0] is str:
            limits = [
                text.replace("entries", "characters").replace("at least 1 characters", "at least 1 character") for text in limits
            ]
        return " ".join([_value_words(arguments[0]), *limits[:1]]) + "".join(f" and {text}" for text in limits[1:])
    if origin is Literal:
        return _choice(list(map(shown, arguments)))
    if origin in (Union, types.UnionType):
        return _choice([_value_words(item) for item in sorted(arguments, key=lambda item: item is types.NoneType)])
    if annotation in (None, types.NoneType):
        return "null"
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return _choice([shown(item.value) for item in annotation])
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"mapping of {_value_words(arguments[0])} to {_value_words(arguments[1])}"
    if isinstance(origin, type) and issubclass(origin, tuple) and Ellipsis not in arguments:
        return f"list of {', '.join(map(_value_words, arguments))}"
    if isinstance(origin, type) and issubclass(origin, Sequence | set | frozenset):
        return f"list of {_value_words(arguments[0])}"
    if isinstance(annotation, typing.Hashable) and annotation in _SIMPLE:
        return _SIMPLE[annotation]
    return getattr(annotation, "__name__", str(annotation))


def _constraint_words(constraint: Any) -> list[str]:
    """What a constraint demands, in words."""
    match constraint:
        case Gt(bound):
            return [f"> {_number(bound)}"]
        case Ge(bound):
            return [f">= {_number(bound)}"]
        case Lt(bound):
            return [f"< {_number(bound)}"]
        case Le(bound):
            return [] if bound == MOST else [f"<= {_number(bound)}"]  # which only a mistake reaches
        case Interval() | Len():
            return [text for part in constraint for text in _constraint_words(part)]
        case MinLen(length):
            return [f"with at least {length} entries"] if length else []
        case MaxLen(length):
            return [f"with at most {length} entries"]
    return []


def _choice(words: list[str]) -> str:
    """`a, b or c`."""
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _number(value: Any) -> Any:
    """A whole number without its point."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
