"""Classes and functions as stubs: what a caller writes, without bodies."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from moft_docs.definitions import Definition, text_of

WIDTH = 100
"""Characters of a line; a longer signature has one argument on each."""
SHOWN = {"__init__", "__call__"}
"""Methods that are shown without a docstring."""
DECORATORS = {"property", "cached_property", "abstractmethod", "contextmanager", "staticmethod", "classmethod"}


def stub_of(definition: Definition) -> str:
    """The stub of a class or a function; of an assignment, the assignment."""
    match definition.node:
        case ast.ClassDef() as node:
            return _class(definition, node)
        case ast.FunctionDef() as node:
            return "\n".join(_function(definition, node, ""))
        case node:
            return definition.text(node)


def bases_of(definition: Definition, node: ast.ClassDef) -> list[str]:
    """The bases of a class, as written."""
    return [definition.text(base) for base in node.bases]


def is_record(node: ast.ClassDef) -> bool:
    """Whether a class is a dataclass."""
    return any("dataclass" in ast.dump(decorator) for decorator in node.decorator_list)


def methods_of(node: ast.ClassDef) -> Iterator[ast.FunctionDef]:
    """The methods that the reference shows: a method that only fulfils an interface has no docstring, and is left out."""
    for member in node.body:
        if not isinstance(member, ast.FunctionDef) or (member.name == "__init__" and not arguments_of(member)):
            continue
        is_public = not member.name.startswith("_") or member.name.startswith("__")
        if member.name in SHOWN or (is_public and ast.get_docstring(member)):
            yield member


def fields_of_class(node: ast.ClassDef) -> Iterator[tuple[ast.AnnAssign, str]]:
    """The annotated public attributes of a class, with the text below each."""
    for member, following in zip(node.body, [*node.body[1:], None], strict=True):
        if isinstance(member, ast.AnnAssign) and isinstance(member.target, ast.Name) and not member.target.id.startswith("_"):
            yield member, text_of(following)


def is_property(node: ast.FunctionDef) -> bool:
    """Whether a method is read like an attribute."""
    return bool({"property", "cached_property"} & set(_decorators(node)))


def arguments_of(node: ast.FunctionDef) -> str:
    """The names of the arguments of a method, without `self`."""
    parts = [part.partition(":")[0].partition(" =")[0] for part in _arguments(None, node.args)]
    return ", ".join(parts[1:] if parts[:1] in (["self"], ["cls"]) else parts)


def _class(definition: Definition, node: ast.ClassDef) -> str:
    bases = ", ".join(bases_of(definition, node))
    head = f"class {node.name}({bases})" if bases else f"class {node.name}"
    lines = ["@dataclass(frozen=True)", f"{head}:"] if is_record(node) else [f"{head}:"]
    is_abstract = any(base.startswith(("Protocol", "ABC")) for base in bases_of(definition, node))
    for member, text in fields_of_class(node):
        if is_record(node) or is_abstract or text:
            lines.append(f"    {_field(definition, member)}")
    methods = [line for method in methods_of(node) for line in _function(definition, method, "    ")]
    if not lines[-1].endswith(f"{head}:") and methods:
        lines.append("")
    lines += methods
    return "\n".join(lines) if not lines[-1].endswith(f"{head}:") else "\n".join([*lines[:-1], f"{head}: ..."])


def _field(definition: Definition, member: ast.AnnAssign) -> str:
    """A field with its default; a default that is made for each record as the call that makes it."""
    default = "" if member.value is None else definition.text(member.value)
    match member.value:
        case ast.Call(func=ast.Name(id="field"), keywords=[ast.keyword(arg="default_factory", value=factory)]):
            default = {"dict": "{}", "list": "[]"}.get(definition.text(factory), f"{definition.text(factory)}()")
    return f"{definition.text(member.target)}: {definition.text(member.annotation)}" + (f" = {default}" if default else "")


def _function(definition: Definition, node: ast.FunctionDef, indent: str) -> list[str]:
    """The lines of a function: its decorators that matter to a caller, and its signature."""
    lines = [f"{indent}@{name}" for name in _decorators(node) if name in DECORATORS]
    arguments = _arguments(definition, node.args)
    returned = f" -> {definition.text(node.returns)}" if node.returns else ""
    line = f"{indent}def {node.name}({', '.join(arguments)}){returned}: ..."
    if len(line) <= WIDTH:
        return [*lines, line]
    return [*lines, f"{indent}def {node.name}(", *(f"{indent}    {part}," for part in arguments), f"{indent}){returned}: ..."]


def _decorators(node: ast.FunctionDef) -> list[str]:
    return [decorator.id for decorator in node.decorator_list if isinstance(decorator, ast.Name)]


def _arguments(definition: Definition | None, args: ast.arguments) -> list[str]:
    """Each argument with its annotation and default, stars and slashes among them; without a definition only the names."""

    def shown(argument: ast.arg, default: ast.expr | None) -> str:
        if definition is None:
            return argument.arg
        annotation = f": {definition.text(argument.annotation)}" if argument.annotation else ""
        equals = " = " if argument.annotation else "="
        value = definition.text(default) if default else ""
        return argument.arg + annotation + (f"{equals}{'...' if value.startswith('_') else value}" if value else "")

    def star(argument: ast.arg, stars: str) -> str:
        return stars + shown(argument, None)

    first = [*args.posonlyargs, *args.args]
    defaults: Sequence[ast.expr | None] = [*[None] * (len(first) - len(args.defaults)), *args.defaults]
    parts = [shown(argument, default) for argument, default in zip(first, defaults, strict=True)]
    if args.posonlyargs:
        parts.insert(len(args.posonlyargs), "/")
    if args.vararg:
        parts.append(star(args.vararg, "*"))
    elif args.kwonlyargs:
        parts.append("*")
    parts += [shown(argument, default) for argument, default in zip(args.kwonlyargs, args.kw_defaults, strict=True)]
    return [*parts, *([star(args.kwarg, "**")] if args.kwarg else [])]
