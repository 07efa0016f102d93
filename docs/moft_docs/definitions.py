"""Where a public name is defined, found in the source without running it, so that the text is the author's in every version."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Definition:
    """A class, a function or an assignment in its source.

    Args:
        node: the statement.
        source: of the whole file.
        doc: its docstring, cleaned; of an assignment the text right below it.
    """

    node: ast.ClassDef | ast.FunctionDef | ast.Assign
    source: str
    doc: str

    def text(self, node: ast.AST) -> str:
        """What the author wrote for a part of it, on one line."""
        words = " ".join((ast.get_source_segment(self.source, node) or "").split())
        return words.replace("[ ", "[").replace("( ", "(").replace(", ]", "]").replace(", )", ")")


def public_names(module: str) -> list[str]:
    """The `__all__` of a module."""
    for statement in _statements(_tree(module)[0]):
        if isinstance(statement, ast.Assign) and [getattr(target, "id", "") for target in statement.targets] == ["__all__"]:
            return list(ast.literal_eval(statement.value))
    raise LookupError(f"{module} has no __all__")


def defined(module: str, name: str) -> Definition:
    """The definition of a name that a module defines or imports.

    Raises:
        LookupError: it does neither.
    """
    tree, source = _tree(module)
    statements = list(_statements(tree))
    for statement, following in zip(statements, [*statements[1:], None], strict=True):
        match statement:
            case ast.ClassDef() | ast.FunctionDef() if statement.name == name:
                return Definition(statement, source, ast.get_docstring(statement) or "")
            case ast.Assign(targets=[ast.Name(id=target)]) if target == name:
                return Definition(statement, source, text_of(following))
            case ast.ImportFrom(module=str(other), names=names) if name in {alias.asname or alias.name for alias in names}:
                return defined(other, next(alias.name for alias in names if name == (alias.asname or alias.name)))
    raise LookupError(f"{module} has no {name}")


def text_of(statement: ast.stmt | None) -> str:
    """The text that a statement is alone, as below an attribute; empty for any other."""
    match statement:
        case ast.Expr(value=ast.Constant(value=str(text))):
            return " ".join(text.split())
    return ""


def _statements(tree: ast.Module) -> Iterator[ast.stmt]:
    """The statements of a module, those under `if TYPE_CHECKING:` too."""
    for statement in tree.body:
        yield from statement.body if isinstance(statement, ast.If) else [statement]


@cache
def _tree(module: str) -> tuple[ast.Module, str]:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise LookupError(f"there is no module {module}")
    source = Path(spec.origin).read_text(encoding="utf-8")
    return ast.parse(source), source
