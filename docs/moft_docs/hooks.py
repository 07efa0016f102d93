"""Every hook, from the file of their specifications."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from moft_docs.definitions import defined
from moft_docs.docstrings import parsed
from moft_docs.internals import specs
from moft_docs.markdown import anchor, fence, sentence, table
from moft_docs.stubs import stub_of

IMPORTS = "from moft import Component, hookimpl"


def hook_reference(_: str = "") -> str:
    """A table of the hooks, then a section for each: its signature, its contract, its arguments, an example."""
    rows, sections = [], []
    for hook in hooks():
        name = hook.__name__
        definition = defined(specs.__name__, name)
        doc = parsed(definition.doc)
        summary, _, target = doc.summary.partition(" Target: ")
        rows.append((f"[`{name}`](#{anchor(name)})", summary))
        sections += [f"## `{name}`", summary, fence("py", stub_of(definition))]
        sections += [f"Target of the component: {target}"] if target else []
        sections += [doc.body] if doc.body else []
        if doc.args:
            sections.append(table(("argument", "meaning"), [(f"`{a}`", sentence(meaning)) for a, meaning in doc.args.items()]))
        sections += ["Example:", fence("python", doc.example)]
    head = [table(("hook", "purpose"), rows), "The examples below need this import:", fence("python", IMPORTS)]
    return "\n\n".join([*head, *sections])


def hooks() -> Iterator[Callable[..., Any]]:
    """The hooks in the order of the file."""
    for value in vars(specs).values():
        if inspect.isfunction(value) and value.__module__ == specs.__name__:
            yield value
