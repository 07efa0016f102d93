"""The commands of `moft`: usage, arguments and options, as `--help` has them."""

from __future__ import annotations

import inspect
import pathlib
import typing
from enum import Enum
from functools import cache
from typing import Any

import typer

from moft_docs.internals import application, shipped_plugins
from moft_docs.markdown import anchor, fence, table

PLACEHOLDERS = {int: "N", float: "X", pathlib.Path: "PATH", str: "TEXT"}


def command_reference(words: str) -> str:
    """Usage, arguments and options of a command, or the commands of a group; `--help`, which every command has, is left out.

    Args:
        words: the command without `moft`, such as `data make synthetic`; empty for `moft` itself.

    Raises:
        KeyError: there is no such command.
    """
    command = _root()
    for word in words.split():
        command = command.commands[word]
    name = " ".join(["moft", *words.split()])
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option" and not p.hidden and "--help" not in p.opts]
    inner: dict[str, Any] = getattr(command, "commands", {})
    if inner:
        commands = [(f"[`{name} {word}`](#{anchor(f'{name} {word}')})", one.help or "") for word, one in inner.items()]
        parts = [table(("command", "purpose"), commands)]
    else:
        parts = [fence("text", " ".join([name, *(["[OPTIONS]"] if options else []), *map(_in_usage, arguments)]))]
    if arguments:
        parts.append(table(("argument", "meaning"), [(f"`{_name(p)}`", p.help or "") for p in arguments]))
    if options:
        hints = typing.get_type_hints(inspect.unwrap(command.callback))
        rows = [(f"`{_called(p, hints.get(p.name))}`", _default(p), p.help or "") for p in options]
        if any(default for _, default, _ in rows):
            parts.append(table(("option", "default", "meaning"), rows))
        else:
            parts.append(table(("option", "meaning"), [(option, meaning) for option, _, meaning in rows]))
    return "\n\n".join(parts)


@cache
def _root() -> Any:
    return typer.main.get_command(application(shipped_plugins()))


def _name(argument: Any) -> str:
    return str(argument.name).upper()


def _in_usage(argument: Any) -> str:
    name = _name(argument) + ("..." if argument.nargs == -1 else "")
    return name if argument.required else f"[{name}]"


def _called(option: Any, hint: Any) -> str:
    """An option with what stands behind it."""
    name = str(next(name for name in option.opts if name.startswith("--")))
    if option.is_flag:
        return name
    return f"{name} {option.metavar or _placeholder(hint)}"


def _placeholder(hint: Any) -> str:
    """What a value of a type is called."""
    types = [inner for part in (typing.get_args(hint) or [hint]) for inner in (typing.get_args(part) or [part])]
    for one in types:
        if isinstance(one, type) and issubclass(one, Enum):
            return "|".join(str(member.value) for member in one)
        if one in PLACEHOLDERS:
            return PLACEHOLDERS[one]
    return "VALUE"


def _default(option: Any) -> str:
    """The default as a user would write it; empty where there is none, or where the help says it."""
    match option.default:
        case _ if option.required:
            return "required"
        case _ if isinstance(option.show_default, str):
            return f"`{option.show_default}`"
        case None | bool() | ():
            return ""
        case Enum() as member:
            return f"`{member.value}`"
        case float() as value:
            return f"`{value:g}`"
    return f"`{option.default}`"
