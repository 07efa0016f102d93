"""Validates and converts plain values with pydantic, from their annotation alone."""

from __future__ import annotations

import functools
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError

from moft.config.error_messages import reworded, shown, suggestion
from moft.config.secret_variables import has_secret, unset_secrets, with_references, with_secrets
from moft.config.setting_annotations import Unsupported
from moft.files.plain_number import is_plain
from moft.secret_values import redacted


def validated(annotation: Any, value: Any, path: str, homes: Sequence[Path] = ()) -> tuple[Any, Any, list[str]]:
    """A value, its references to secrets replaced, validated and converted to its annotation.

    Args:
        annotation: any type that pydantic knows.
        value: what the config says.
        path: of the value in the config, as the user typed it.
        homes: the folders that a relative `PathOrName` is looked up in; none leaves it unchanged.

    Returns: the value, the same in types that YAML has and with references to secrets, and the mistakes, one line each.

    Raises:
        Unsupported: pydantic does not know the type.
    """
    adapter = adapter_of(annotation)
    is_secret = has_secret(value)
    if is_secret and (unset := unset_secrets(value)):
        return None, None, [f"{path or 'config'}: {text}" for text in unset]
    try:
        found = adapter.validate_python(with_secrets(value) if is_secret else value, context={"homes": homes})
    except ValidationError as error:
        return None, None, _mistakes(error, value, path, is_secret=is_secret)
    mistakes = [] if is_secret else _number_mistakes(value, found, path)
    plain = adapter.dump_python(found, mode="json")
    if isinstance(found, set | frozenset):  # whose order differs between processes
        plain = sorted(plain, key=repr)
    if is_secret:
        try:
            plain = with_references(plain, value)
        except ValueError as error:
            mistakes.append(f"{path or 'config'}: a secret can only be text, got {error}; give the variable another name.")
    return found, plain, mistakes


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


def _mistakes(error: ValidationError, value: Any, path: str, *, is_secret: bool) -> list[str]:
    """One line for each place in the value; the requirements of alternatives are joined by 'or'."""
    places: dict[str, tuple[list[str], str, str]] = {}
    for item in error.errors(include_url=False):
        where, inner = path, value
        for key in item["loc"]:
            inside = isinstance(inner, list | tuple) and isinstance(key, int) and key < len(inner)
            if inside or (isinstance(inner, Mapping) and key in inner):  # else pydantic's name of an alternative
                where, inner = _joined(where, key), inner[key]
        got = shown(inner if is_secret else item["input"])  # what the user gave has references to secrets, and not the values
        texts, _, _ = places.setdefault(where, ([], got, suggestion(item)))
        text = redacted(reworded(item))
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
