"""Validates and converts plain values with pydantic, from their annotation alone."""

from __future__ import annotations

import functools
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError

from moft.config.annotations import Unsupported
from moft.config.error_messages import reworded, shown, suggestion
from moft.files.plain_number import is_plain


def validated(annotation: Any, value: Any, path: str, home: Path | None = None) -> tuple[Any, Any, list[str]]:
    """A value, validated and converted to its annotation.

    Args:
        annotation: any type that pydantic knows.
        value: what the config says.
        path: of the value in the config, as the user typed it.
        home: the folder that a relative `PathOrName` starts from; None leaves it unchanged.

    Returns: the value, the same in types that YAML has, and the mistakes, one line each.

    Raises:
        Unsupported: pydantic does not know the type.
    """
    adapter = adapter_of(annotation)
    try:
        found = adapter.validate_python(value, context={"home": home})
    except ValidationError as error:
        return None, None, _mistakes(error, value, path)
    mistakes = _number_mistakes(value, found, path)
    return found, adapter.dump_python(found, mode="json"), mistakes


def adapter_of(annotation: Any) -> TypeAdapter[Any]:
    """The pydantic adapter of an annotation; cached, because making one takes longer than using it.

    Raises:
        Unsupported: pydantic does not know the type.
    """
    try:
        return _cached_adapter(annotation) if isinstance(annotation, Hashable) else _new_adapter(annotation)
    except PydanticUserError as error:
        raise Unsupported(f"{annotation}, which no config value can fill") from error


def _new_adapter(annotation: Any) -> TypeAdapter[Any]:
    return TypeAdapter(annotation, config=ConfigDict(allow_inf_nan=False))


_cached_adapter = functools.lru_cache(maxsize=1024)(_new_adapter)


def _mistakes(error: ValidationError, value: Any, path: str) -> list[str]:
    """One line for each place in the value; the requirements of alternatives are joined by 'or'."""
    places: dict[str, tuple[list[str], str, str]] = {}
    for item in error.errors(include_url=False):
        where, inner = path, value
        for key in item["loc"]:
            inside = isinstance(inner, list | tuple) and isinstance(key, int) and key < len(inner)
            if inside or (isinstance(inner, Mapping) and key in inner):  # else pydantic's name of an alternative
                where, inner = _joined(where, key), inner[key]
        texts, _, _ = places.setdefault(where, ([], shown(item["input"]), suggestion(item)))
        text = reworded(item)
        if text not in texts:
            texts.append(text if not texts else text.removeprefix("must be "))
    outer = {
        where for where in places if any(other.startswith(f"{where}." if where else "") for other in places if other != where)
    }
    return [  # a mistake inside a value means that the kind of the value is allowed by some alternative
        f"{where or 'config'}: {' or '.join(texts)}, got {got}.{hint}"
        for where, (texts, got, hint) in places.items()
        if where not in outer
    ]


def _number_mistakes(value: Any, found: Any, path: str) -> list[str]:
    """A mistake for each true or false, and each text such as `1_0`, that pydantic accepted as a number."""
    is_no_number = isinstance(value, bool) or (isinstance(value, str) and not is_plain(value))
    if is_no_number and isinstance(found, int | float) and not isinstance(found, bool):
        kind = "a number" if isinstance(found, float) else "a whole number"
        return [f"{path or 'config'}: must be {kind}, got {shown(value)}."]
    if isinstance(value, list | tuple) and isinstance(found, list | tuple):
        return [
            text
            for index, (a, b) in enumerate(zip(value, found, strict=False))
            for text in _number_mistakes(a, b, _joined(path, index))
        ]
    if isinstance(value, Mapping) and isinstance(found, Mapping):
        return [text for key in value if key in found for text in _number_mistakes(value[key], found[key], _joined(path, key))]
    return []


def _joined(path: str, key: Any) -> str:
    """The path of an entry."""
    return f"{path}.{key}" if path else str(key)
