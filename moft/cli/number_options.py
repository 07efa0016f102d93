"""Options that are numbers, those of plugins too, take decimal numbers only: not `1_0`, `inf` or digits of other scripts."""

from __future__ import annotations

from typing import Any

import typer

from moft.files.plain_number import is_plain


def take_plain_numbers(command: Any) -> None:
    """Lets the number options of a command, and of the commands in it, refuse every other spelling."""
    for parameter in command.params:
        parameter.process_value = _plain(parameter, parameter.process_value)
    for inner in getattr(command, "commands", {}).values():
        take_plain_numbers(inner)


def _plain(parameter: Any, process: Any) -> Any:
    """The `process_value` of an option, which gets what was typed and returns what the command gets."""

    def process_value(context: Any, value: Any) -> Any:
        found = process(context, value)
        is_list = isinstance(value, list | tuple) and isinstance(found, list | tuple)
        pairs = zip(value, found, strict=False) if is_list else [(value, found)]
        for typed, converted in pairs:
            is_number = isinstance(converted, int | float) and not isinstance(converted, bool)
            if is_number and isinstance(typed, str) and not is_plain(typed):
                raise typer.BadParameter(f"{typed[:40]!r} is not a decimal number.", ctx=context, param=parameter)
        return found

    return process_value
