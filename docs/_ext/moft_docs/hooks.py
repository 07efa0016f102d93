"""Every hook, from `moft/hooks/specs.py`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

from moft.config.signature import help_of
from moft.hooks import specs
from moft_docs.markdown import table


def hook_reference(_: str = "") -> str:
    """A section for each hook: how it is called, its contract, its arguments, an example."""
    parts = []
    for hook in hooks():
        text = inspect.getdoc(hook) or ""
        contract, _, example = text.partition("Example:\n")
        contract = re.sub(r"\n*Args:\n(?:[ \t]+.*\n?|\n)*", "\n\n", contract).strip()
        signature = str(inspect.signature(hook)).replace("'", "")
        parts += [f"## `{hook.__name__}`", f"```text\n{hook.__name__}{signature}\n```", contract]
        arguments = help_of(hook)
        if arguments:
            parts.append(table(("argument", "meaning"), [(f"`{name}`", meaning) for name, meaning in arguments.items()]))
        parts.append(f"```py\n{inspect.cleandoc(example)}\n```")
    return "\n\n".join(parts)


def hooks() -> Iterator[Callable[..., Any]]:
    """The hooks in the order of the file."""
    for value in vars(specs).values():
        if inspect.isfunction(value) and value.__module__ == specs.__name__:
            yield value
