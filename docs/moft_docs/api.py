"""The public names of a module: what each is, its signature, and what its docstring says."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator, Mapping

from moft_docs.definitions import Definition, defined, public_names
from moft_docs.docstrings import Docstring, parsed
from moft_docs.internals import words_of
from moft_docs.markdown import fence, sentence, table
from moft_docs.stubs import arguments_of, bases_of, fields_of_class, is_property, is_record, methods_of, stub_of

MANY = 20
"""A module with more names than this is divided into groups."""
LONGEST = 50
"""Characters of the arguments that are shown again beside what a method does."""
GROUPS = ("Interfaces", "Records", "Classes", "Functions", "Type aliases", "Exceptions")
TABLES = GROUPS[-2:]
"""Groups whose names are rows of a table."""


def api_reference(module: str) -> str:
    """A section for every public name of a module; type aliases and exceptions are a table each."""
    names = public_names(module)
    is_divided = len(names) > MANY
    groups: Mapping[str, dict[str, Definition]] = {group: {} for group in GROUPS}
    for name in names:
        definition = defined(module, name)
        group = _group(definition)
        found = groups[group if is_divided or group in TABLES else GROUPS[0]]
        found[name] = definition
        found.update(_returned(module, definition, names))
    parts = []
    for group, found in groups.items():
        if not found:
            continue
        if is_divided or group in TABLES:
            parts.append(f"### {group}")
        if group == "Exceptions":
            parts.append(table(("exception", "raised when"), [(f"`{n}`", parsed(d.doc).summary) for n, d in found.items()]))
        elif group == "Type aliases":
            parts.append(table(("name", "meaning"), [(f"`{n}`", _alias(module, n, d)) for n, d in found.items()]))
        else:
            for name, definition in found.items():
                parts += [f"{'####' if is_divided else '###'} `{name}`", *_entry(definition)]
    return "\n\n".join(parts)


def _group(definition: Definition) -> str:
    match definition.node:
        case ast.FunctionDef():
            return "Functions"
        case ast.ClassDef() as node:
            bases = bases_of(definition, node)
            if any(base.endswith(("Error", "Exception")) for base in bases):
                return "Exceptions"
            if any(base.startswith(("Protocol", "ABC")) for base in bases):
                return "Interfaces"
            return "Records" if is_record(node) else "Classes"
        case ast.Assign(value=ast.Subscript()):
            return "Type aliases"
    return "Functions"


def _returned(module: str, definition: Definition, names: list[str]) -> dict[str, Definition]:
    """The class that a function returns, where its module knows it and does not offer it."""
    match definition.node:
        case ast.FunctionDef(returns=ast.Name(id=name)) if name not in names:
            try:
                found = defined(module, name)
            except LookupError:
                return {}
            return {name: found} if isinstance(found.node, ast.ClassDef) and "moft" in found.source else {}
    return {}


def _entry(definition: Definition) -> Iterator[str]:
    """Summary, stub, details, and a list of arguments, attributes and methods."""
    doc = parsed(definition.doc)
    if doc.summary:
        yield doc.summary
    yield fence("py", stub_of(definition))
    if doc.body:
        yield doc.body
    items = [f"- `{name}`: {sentence(meaning)}" for name, meaning in doc.args.items()]
    items += _ends(doc, "- ")
    if isinstance(definition.node, ast.ClassDef):
        items += _members(definition.node, set(doc.args))
    if items:
        yield "\n".join(items)
    if doc.source:
        yield f"Source: {doc.source}"


def _members(node: ast.ClassDef, known: set[str]) -> Iterator[str]:
    """What the attributes and methods of a class are, with the arguments of a method below it."""
    for member, text in fields_of_class(node):
        if text and getattr(member.target, "id", "") not in known:
            yield f"- `{getattr(member.target, 'id', '')}`: {sentence(text)}"
    for method in methods_of(node):
        doc = parsed(ast.get_docstring(method))
        if not doc.summary or method.name in known:
            continue
        names = arguments_of(method)
        called = "" if is_property(method) else f"({names if len(names) <= LONGEST else '...'})"
        yield f"- `{method.name}{called}`: {' '.join([doc.summary, *doc.body.split()])}"
        yield from (f"  - `{name}`: {sentence(meaning)}" for name, meaning in doc.args.items())
        yield from _ends(doc, "  - ")


def _ends(doc: Docstring, bullet: str) -> Iterator[str]:
    """What is returned, and raised."""
    if doc.returns:
        yield f"{bullet}Returns: {doc.returns}"
    yield from (f"{bullet}Raises `{error}`: {sentence(when)}" for error, when in doc.raises.items())


def _alias(module: str, name: str, definition: Definition) -> str:
    """The text below a type alias, or else its type in the words of messages."""
    words = definition.doc or words_of(getattr(importlib.import_module(module), name))
    return sentence(re.sub(r"'([^']*)'", r"`\1`", words))
