"""Tables of any result, by the shape of its values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from moft_docs.formats import number
from moft_docs.markdown import table

APART = {"machine", "seeds", "folds", "split"}
"""What is said in the line below the tables."""


def plain_tables(content: Mapping[str, Any]) -> str:
    """Single values together, then a table for each mapping; mappings of the same names share one."""
    rest = {key: value for key, value in content.items() if key not in APART}
    single = {key: value for key, value in rest.items() if _is_single(value) and not isinstance(value, Mapping)}
    summaries = {key: value for key, value in rest.items() if _is_single(value) and isinstance(value, Mapping)}
    parts = [table(["what", "value"], [[_words(key), _shown(value)] for key, value in single.items()])] if single else []
    parts += [_named({"measured": summaries})] if summaries else []
    for keys in _alike({key: value for key, value in rest.items() if not _is_single(value)}):
        group = {key: rest[key] for key in keys}
        first = group[keys[0]]
        if len(group) > 1:
            parts.append(_named(group))
        elif isinstance(first, Mapping):
            parts += [f"**{_words(keys[0])}**", *_mapping(first)]
        else:
            parts += [f"**{_words(keys[0])}**", _list(first)]
    return "\n\n".join(parts)


def _mapping(content: Mapping[str, Any]) -> list[str]:
    """A table of the single values of a mapping, and one with a row for each mapping in it."""
    nested = {name: value for name, value in content.items() if not _is_single(value)}
    flat = {name: value for name, value in content.items() if name not in nested}
    return [*([_named({"measured": flat})] if flat else []), *([_rows_of(nested)] if nested else [])]


def _alike(content: Mapping[str, Any]) -> list[list[str]]:
    """The names in groups: flat mappings of the same names together, everything else by itself."""
    groups: dict[Any, list[str]] = {}
    for name, value in content.items():
        is_flat = isinstance(value, Mapping) and all(map(_is_single, value.values()))
        groups.setdefault(tuple(value) if is_flat else name, []).append(name)
    return list(groups.values())


def _named(columns: Mapping[str, Mapping[str, Any]]) -> str:
    """A table of named values, a column for each mapping, and their targets where they have some."""
    names = list(next(iter(columns.values())))
    targets = [_target([column[name] for column in columns.values()]) for name in names]
    rows = [
        [_words(name), *(_shown(column[name]) for column in columns.values()), *([target] if any(targets) else [])]
        for name, target in zip(names, targets, strict=True)
    ]
    return table(["", *map(_words, columns), *(["target"] if any(targets) else [])], rows, numbers=True)


def _rows_of(content: Mapping[str, Mapping[str, Any]]) -> str:
    """A row for each mapping."""
    columns = list(dict.fromkeys(key for value in content.values() for key in value))
    body = [[_words(name), *(_shown(row[key]) if key in row else "" for key in columns)] for name, row in content.items()]
    return table(["", *map(_words, columns)], body, numbers=True)


def _list(rows: Sequence[Mapping[str, Any]]) -> str:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    body = [[_shown(row[name]) if name in row else "" for name in columns] for row in rows]
    return table(list(map(_words, columns)), body, numbers=True)


def _is_single(value: Any) -> bool:
    """Whether a value has one row for itself."""
    is_list_of_rows = isinstance(value, list) and bool(value) and all(isinstance(row, Mapping) for row in value)
    return _is_summary(value) if isinstance(value, Mapping) else not is_list_of_rows


def _is_summary(value: Any) -> bool:
    """Whether a mapping is one number: with its range, or with its target."""
    return isinstance(value, Mapping) and ({"median", "low", "high"} <= set(value) or set(value) == {"value", "target"})


def _target(values: Sequence[Any]) -> str:
    """The target that values share."""
    targets = {value.get("target") if isinstance(value, Mapping) else None for value in values}
    target = targets.pop() if len(targets) == 1 else None
    return "" if target is None else f"{target:g}"


def _shown(value: Any) -> str:
    match value:
        case {"median": median, "low": low, "high": high}:
            return f"{number(median)} ({number(low)} to {number(high)})"
        case {"value": single, "target": _}:
            return number(single)
        case dict():
            return "; ".join(f"{_words(key)}: {_shown(entry)}" for key, entry in value.items())
        case list() if any(isinstance(entry, list | Mapping) for entry in value):
            return f"{len(value)} rows, in the file"
        case list():
            return ", ".join(map(_shown, value))
        case bool():
            return "yes" if value else "no"
        case int() | float():
            return number(value)
    return str(value)


def _words(key: str) -> str:
    return key.replace("_", " ")
