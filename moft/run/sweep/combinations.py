"""Parses `--over`, makes all combinations of its values, and names their run folders."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from moft.config.yaml12 import Malformed, load
from moft.errors import ConfigError

MAX_VALUE = 40
MAX_NAME = 180
"""Characters of a folder's name; file systems allow 255, and files next to it add a suffix."""

# Quoted text begins where a YAML value can begin, so that an apostrophe inside a word is not a quote; then brackets and commas.
_TOKEN = re.compile(r"""(?<![^\s\[{,:])(?:"(?:\\.|[^"\\])*"|'(?:''|[^'])*')|[\[{]|[\]}]|,""", re.S)
_UNSAFE = re.compile(r"[^A-Za-z0-9._+-]+")


def parse_over(overs: Sequence[str]) -> dict[str, list[str]]:
    """The values of every varied setting as text, in the order given.

    Args:
        overs: `path=a,b,c` each; commas inside brackets, braces or quotes do not separate values.

    Raises:
        ConfigError: one is malformed, has no value or an empty one, or a setting is varied twice.
    """
    found: dict[str, list[str]] = {}
    for text in overs:
        where, equals, values = text.partition("=")
        path = where.strip()
        if not equals or not all(path.split(".")):
            raise ConfigError(f"--over {text!r} is malformed: it must read 'path.to.setting=a,b,c'.")
        if path in found:
            raise ConfigError(f"--over {text!r}: {path} is varied twice; give all its values in one --over.")
        if not values.strip():
            raise ConfigError(f"--over {text!r}: has no value.")
        found[path] = list(_values(values, text))
    return found


def combinations(values: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
    """One value for each setting, in every combination; the last setting changes fastest."""
    return [dict(zip(values, chosen, strict=True)) for chosen in itertools.product(*values.values())]


def overrides_of(chosen: Mapping[str, str], overrides: Sequence[str]) -> list[str]:
    """All `path=value` overrides of one combination; a setting inside another one comes after it.

    Args:
        chosen: a value for each varied setting.
        overrides: `path=value` each, the same for all combinations.

    Raises:
        ConfigError: an override is of a varied setting.
    """
    for text in overrides:
        path = text.partition("=")[0].strip()
        if path in chosen:
            raise ConfigError(f"--set {text!r}: {path} is varied by --over; leave one of them out.")
    return sorted([*overrides, *(f"{path}={value}" for path, value in chosen.items())], key=_depth)


def folder_name(chosen: Mapping[str, str]) -> str:
    """A folder name `path=value,path=value` that is safe on any file system; a name that is shortened ends in a hash."""
    name = ",".join(f"{_safe(path)}={_safe(_plain(value))}" for path, value in chosen.items())
    return name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 7]}-{_hash(name)}"


def _values(values: str, text: str) -> Iterator[str]:
    """The parts of a text between its commas, each of them a YAML value."""
    depth, begin, parts = 0, 0, []
    for token in _TOKEN.finditer(values):
        depth += (token[0] in "[{") - (token[0] in "]}")
        if token[0] == "," and not depth:
            parts.append(values[begin : token.start()].strip())
            begin = token.end()
        if depth < 0:
            break
    if depth:
        raise ConfigError(f"--over {text!r} is malformed: its brackets do not match.")
    for number, part in enumerate([*parts, values[begin:].strip()], start=1):
        if not part:
            raise ConfigError(f"--over {text!r}: value {number} is empty; write null for no value.")
        try:
            load(part)
        except Malformed as error:
            raise ConfigError(f"--over {text!r}: value {part!r} is malformed: {error}") from error
        yield part


def _depth(override: str) -> int:
    """How deeply the setting of an override is nested."""
    return override.partition("=")[0].count(".")


def _plain(value: str) -> str:
    """The same text for all spellings of a YAML value."""
    found: Any = load(value)
    if isinstance(found, str):
        with suppress(Malformed):  # the text needs its quotes
            if load(found) == found:
                return found
    return json.dumps(found, ensure_ascii=False)


def _safe(text: str) -> str:
    """The text without characters that are special to file systems or shells, shortened if it is long."""
    short = _UNSAFE.sub("-", text).strip("-") if _UNSAFE.search(text) else text
    return short if short == text and len(text) <= MAX_VALUE else f"{short[: MAX_VALUE - 7]}-{_hash(text)}".lstrip("-")


def _hash(text: str) -> str:
    """Six hex digits of the text's hash."""
    return hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()[:6]
