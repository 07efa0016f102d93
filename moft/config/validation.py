"""Plain values: validated and coerced by pydantic from their annotation alone."""

from __future__ import annotations

import functools
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError

from moft.config.annotations import Unsupported
from moft.config.error_messages import reworded, shown, suggestion


def validated(annotation: Any, value: Any, path: str, home: Path | None = None) -> tuple[Any, Any, list[str]]:
    """A value as its annotation wants it.

    Args:
        annotation: any type that pydantic knows.
        value: what the config says.
        path: where, in the words that the user typed.
        home: the folder that a relative `PathOrName` starts from; None leaves it as it stands.

    Returns: the value, the same as YAML can hold it, and the mistakes, one line each.

    Raises:
        Unsupported: pydantic knows no such type.
    """
    adapter = adapter_of(annotation)
    try:
        found = adapter.validate_python(value, context={"home": home})
    except ValidationError as error:
        return None, None, _mistakes(error, value, path)
    slipped = _slipped(value, found, path)
    return found, adapter.dump_python(found, mode="json"), slipped


def adapter_of(annotation: Any) -> TypeAdapter[Any]:
    """What validates an annotation; made once, which takes longer than to validate.

    Raises:
        Unsupported: pydantic knows no such type.
    """
    try:
        return _kept(annotation) if isinstance(annotation, Hashable) else _made(annotation)
    except PydanticUserError as error:
        raise Unsupported(f"{annotation}, which no config value can fill") from error


def _made(annotation: Any) -> TypeAdapter[Any]:
    return TypeAdapter(annotation, config=ConfigDict(allow_inf_nan=False))


_kept = functools.lru_cache(maxsize=1024)(_made)


def _mistakes(error: ValidationError, value: Any, path: str) -> list[str]:
    """One line for each place; what the alternatives of a choice want there is joined by 'or'."""
    places: dict[str, tuple[list[str], str, str]] = {}
    for item in error.errors(include_url=False):
        where, here = path, value
        for key in item["loc"]:
            inside = isinstance(here, list | tuple) and isinstance(key, int) and key < len(here)
            if inside or (isinstance(here, Mapping) and key in here):  # else a name that pydantic gives to an alternative
                where, here = _joined(where, key), here[key]
        texts, _, _ = places.setdefault(where, ([], shown(item["input"]), suggestion(item)))
        text = reworded(item)
        if text not in texts:
            texts.append(text if not texts else text.removeprefix("must be "))
    outer = {
        where for where in places if any(other.startswith(f"{where}." if where else "") for other in places if other != where)
    }
    return [  # what has a mistake inside was of a kind that is allowed, whatever the other alternatives say
        f"{where or 'config'}: {' or '.join(texts)}, got {got}.{hint}"
        for where, (texts, got, hint) in places.items()
        if where not in outer
    ]


def _slipped(value: Any, found: Any, path: str) -> list[str]:
    """Mistakes for each true or false that pydantic took for a number."""
    if isinstance(value, bool) and isinstance(found, int | float) and not isinstance(found, bool):
        kind = "a number" if isinstance(found, float) else "a whole number"
        return [f"{path or 'config'}: must be {kind}, got {shown(value)}."]
    if isinstance(value, list | tuple) and isinstance(found, list | tuple):
        return [
            text for index, (a, b) in enumerate(zip(value, found, strict=False)) for text in _slipped(a, b, _joined(path, index))
        ]
    if isinstance(value, Mapping) and isinstance(found, Mapping):
        return [text for key in value if key in found for text in _slipped(value[key], found[key], _joined(path, key))]
    return []


def _joined(path: str, key: Any) -> str:
    """The path of an entry."""
    return f"{path}.{key}" if path else str(key)
