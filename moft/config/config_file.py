"""Reads a config file: YAML, overrides from the command line and environment variables, as one mapping."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from moft.config.secret_variables import VARIABLE, is_named, is_secret, value_of
from moft.config.yaml12 import DEPTH, LENGTH, Malformed, load
from moft.errors import ConfigError
from moft.suggestions import nearest


def read_config(path: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """The mapping in a config file, with overrides applied and `${NAME}` and `~` expanded; references to secrets stay.

    Args:
        path: a YAML file.
        overrides: `a.b=value` each, the value in YAML; later ones win.

    Raises:
        ConfigError: the file is missing or malformed, an override is malformed, or variables are not set; one line each.
    """
    config, unset = read_with_gaps(path, overrides)
    if unset:
        raise ConfigError("\n".join(f"{where}: {text}" for where, text in unset))
    return config


def read_with_gaps(path: Path, overrides: Sequence[str] = ()) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """As `read_config`, but variables that are not set stay in the text; each is returned with its setting and a message.

    Raises:
        ConfigError: the file is missing or malformed, or an override is malformed.
    """
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(LENGTH + 1)  # no more of an endless file than `load` needs to refuse it
    except FileNotFoundError as error:
        siblings = [other.name for other in path.parent.glob("*.y*ml")]
        raise ConfigError(f"config file {str(path)!r} does not exist.{nearest(path.name, siblings)}") from error
    except IsADirectoryError as error:
        raise ConfigError(f"config file {str(path)!r} is a folder.") from error
    except OSError as error:
        raise ConfigError(f"config file {str(path)!r} cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text ({error.reason} at byte {error.start}).") from error
    try:
        config = load(text)
    except Malformed as error:
        raise ConfigError(f"{path}:{error.line}: {error}") from error
    if not isinstance(config, dict):
        found = "is empty" if config is None else f"holds {_kind(config)}"
        raise ConfigError(f"{path}:1: {found}; a config is a mapping of settings, such as 'method: cos-dpo'.")
    unset: list[tuple[str, str]] = []
    config = {key: _expanded(value, (key,), unset) for key, value in config.items()}
    for override in overrides:
        _override(config, override, unset)
    return config, unset


def read_value(text: str, path: str) -> Any:
    """The value of a text, read as `--set` does: YAML, with `${NAME}` and `~` expanded.

    Args:
        text: such as `vader` or `{name: regex, pattern: please}`.
        path: where the user wrote it; messages begin with it.

    Raises:
        ConfigError: the text is malformed, or a variable is not set.
    """
    unset: list[tuple[str, str]] = []
    try:
        found = _expanded(load(text), (path,), unset)
    except Malformed as error:
        raise ConfigError(f"{path}: {text!r} is malformed: {error}") from error
    if unset:
        raise ConfigError("\n".join(f"{where}: {problem}" for where, problem in unset))
    return found


def with_quoting_advice(mistakes: str, overrides: Sequence[str]) -> str:
    """Mistakes, one a line; those of an override that is not text, but has to be, also say how to quote it."""
    values = {where.strip(): value for where, _, value in (override.partition("=") for override in overrides)}
    texts = []
    for line in mistakes.splitlines():
        where, found, _ = line.partition(": must be text, got")
        texts.append(line + _quotes(where, values[where]) if found and where in values else line)
    return "\n".join(texts)


def _quotes(where: str, value: str) -> str:
    """How to quote a value, as a sentence after a space."""
    return f""" Put text in quotes: '{where}="{value.strip()}"'."""


def _override(config: dict[str, Any], text: str, unset: list[tuple[str, str]]) -> None:
    """Applies one `a.b=value`; a component in short form on the way becomes a mapping with its name."""
    where, equals, value_text = text.partition("=")
    keys = where.strip().split(".")
    if not equals or not all(keys):
        raise ConfigError(f"override {text!r} is malformed: it must read 'path.to.setting=value'.")
    if len(keys) > DEPTH:
        raise ConfigError(f"override {text[:40]!r}... is malformed: its path has more than {DEPTH} levels.")
    try:
        value = _expanded(load(value_text), tuple(keys), unset)
    except Malformed as error:
        raise ConfigError(f"override {text!r} is malformed: {error}{_quotes(where.strip(), value_text)}") from error
    holder: Any = config
    replace_holder: Callable[[Any], None] | None = None  # in the mapping or list around it
    for depth, key in enumerate(keys):
        if holder is None or isinstance(holder, str):
            holder = {} if holder is None else {"name": holder}
            if replace_holder is not None:
                replace_holder(holder)
        if isinstance(holder, list):
            index: Any = _index(holder, key, text, keys[:depth])
        elif isinstance(holder, dict):
            index = key
        else:
            inside = ".".join(keys[:depth])
            raise ConfigError(f"override {text!r}: {inside} is {_kind(holder)} and has no setting {key!r}.")
        if depth == len(keys) - 1:
            holder[index] = value
            return
        replace_holder = _setter(holder, index)
        holder = holder[index] if isinstance(holder, list) else holder.get(index)


def _setter(holder: Any, index: Any) -> Callable[[Any], None]:
    """A function that stores a value in `holder` at `index`."""

    def store(value: Any) -> None:
        holder[index] = value

    return store


def _index(holder: list[Any], key: str, text: str, above: Sequence[str]) -> int:
    """The position that `key` names in a list."""
    if not key.isdecimal() or int(key) >= len(holder):
        allowed = f"0 to {len(holder) - 1}" if holder else "it is empty"
        raise ConfigError(f"override {text!r}: {'.'.join(above)} is a list; {key!r} is not one of its positions ({allowed}).")
    return int(key)


def _expanded(value: Any, path: tuple[str, ...], unset: list[tuple[str, str]]) -> Any:
    """A deep copy with the variables in its strings replaced; secrets stay, and so do unset ones, which are added to `unset`."""
    if isinstance(value, dict):
        return {key: _expanded(item, (*path, key), unset) for key, item in value.items()}
    if isinstance(value, list):
        return [_expanded(item, (*path, str(index)), unset) for index, item in enumerate(value)]
    if not isinstance(value, str):
        return value

    def variable(match: re.Match[str]) -> str:
        found = value_of(match[1])
        if not is_named(match[1]):
            unset.append((".".join(path), f"{match[0]} does not name an environment variable, in {value!r}."))
        elif found is None:
            unset.append((".".join(path), f"environment variable {match[0]} is not set, in {value!r}."))
        return match[0] if found is None or is_secret(match[1]) else found

    home = os.path.expanduser(value) if value.startswith("~") else value
    return VARIABLE.sub(variable, home)


def _kind(value: Any) -> str:
    """The kind of a YAML value, in words."""
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str):
        return f"the text {value!r}"
    return str(value).lower() if isinstance(value, bool) else str(value)
