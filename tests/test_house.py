"""The rules that every source file keeps, each with a message that names the files which break it."""

from __future__ import annotations

import ast
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import moft
import moft.api
import moft.testing
from moft.hooks import specs

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("moft", "plugins", "tests", "benchmarks", "docs")
STRANGERS = (ROOT / "tests" / "third_party", ROOT / "docs" / "tutorial")
"""Where packages are as their authors would write them; they keep no rule of this house."""
SOURCES = sorted(
    path
    for folder in FOLDERS
    for path in (ROOT / folder).rglob("*.py")
    if "_build" not in path.parts and not any(place in path.parents and path.parent != place for place in STRANGERS)
)
SHIPPED = [path for path in SOURCES if path.relative_to(ROOT).parts[0] in ("moft", "plugins")]
TEXTS = sorted(
    {
        *SOURCES,
        ROOT / "Makefile",
        ROOT / ".ci" / "run",
        *ROOT.glob("*.md"),
        *ROOT.glob("*.toml"),
        *(ROOT / "configs").rglob("*.y*ml"),
    }
    | {path for folder in FOLDERS for path in (ROOT / folder).rglob("*.md") if "_build" not in path.parts}
)
LONGEST = 400
HOOKS = sorted(name for name, value in vars(specs).items() if inspect.isfunction(value) and value.__module__ == specs.__name__)
FACES = (moft, moft.api, moft.testing)
FRAGMENT = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\.(feature|bugfix|docs|misc)\.md")


def require_none(breaches: list[str], rule: str) -> None:
    """Fails with the rule and every place that breaks it."""
    assert not breaches, f"{rule}:\n  " + "\n  ".join(breaches)


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def place(path: Path, node: ast.AST | None = None) -> str:
    name = str(path.relative_to(ROOT))
    return name if node is None else f"{name}:{getattr(node, 'lineno', 1)}"


def calls(path: Path) -> Iterator[tuple[ast.Call, str]]:
    """Every call in a file, with the dotted name that is called."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Call):
            yield node, ast.unparse(node.func)


def test_imports_go_one_way() -> None:
    program = "from importlinter.cli import lint_imports_command as run; run()"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "plugins")])}
    done = subprocess.run(
        [sys.executable, "-c", program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, f"import-linter's contracts in pyproject.toml are broken:\n{done.stdout}{done.stderr}"


def test_no_file_is_long() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    require_none(
        [f"{place(path)}: {length} lines" for path, length in lengths.items() if length > LONGEST],
        f"a file has one idea and at most {LONGEST} lines; split these",
    )


def test_every_file_says_what_it_is() -> None:
    breaches = []
    for path in SOURCES:
        body = tree_of(path).body
        if not body and path.name == "__init__.py":
            continue
        if ast.get_docstring(tree_of(path)) is None:
            breaches.append(f"{place(path)}: no docstring")
        elif not (len(body) > 1 and isinstance(body[1], ast.ImportFrom) and body[1].module == "__future__"):
            breaches.append(f"{place(path)}: no 'from __future__ import annotations' right below the docstring")
    require_none(breaches, "a file begins with a docstring, then 'from __future__ import annotations'")


def test_imports_are_absolute() -> None:
    relative = [
        place(path, node)
        for path in SOURCES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    require_none(relative, "imports are absolute")


def test_nothing_is_evaluated_or_unpickled() -> None:
    forbidden = {"eval", "exec", "torch.load", "yaml.load", "yaml.unsafe_load"}
    breaches = [f"{place(path, call)}: {name}" for path in SOURCES for call, name in calls(path) if name in forbidden]
    for path in SOURCES:
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {alias.name for alias in node.names} | {getattr(node, "module", None)}
                breaches += [
                    f"{place(path, node)}: imports {name}" for name in names & {"pickle", "dill", "cloudpickle", "marshal"}
                ]
    for path in SHIPPED:
        for call, _ in calls(path):
            unsafe = [k for k in call.keywords if k.arg == "allow_pickle" and not _is_constant(k.value, False)]
            breaches += [f"{place(path, call)}: allow_pickle" for _ in unsafe]
    require_none(breaches, "no text is evaluated and no file is unpickled")


def test_nothing_is_left_to_do() -> None:
    left = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "X" * 3)) + r")\b")
    breaches = [
        f"{place(path)}:{number}"
        for path in TEXTS
        if path.exists()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if left.search(line)
    ]
    require_none(breaches, "nothing is left to do in a file; finish it, or leave it out")


def test_input_is_never_checked_by_assert() -> None:
    breaches = [place(path, node) for path in SHIPPED for node in ast.walk(tree_of(path)) if isinstance(node, ast.Assert)]
    require_none(breaches, "'assert' goes away with python -O; raise an error of moft")


def test_randomness_takes_a_generator() -> None:
    torch_draws = {f"torch.{name}" for name in ("rand", "randn", "randint", "randperm", "multinomial", "normal", "bernoulli")}
    breaches = [
        f"{place(path, call)}: {name} without a generator"
        for path in SHIPPED
        for call, name in calls(path)
        if name in torch_draws and all(keyword.arg != "generator" for keyword in call.keywords)
    ]
    legacy = re.compile(r"(np|numpy)\.random\.[a-z]|random\.(random|shuffle|choice|seed|sample|randint|uniform|gauss)$")
    breaches += [
        f"{place(path, call)}: {name}"
        for path in SHIPPED
        for call, name in calls(path)
        if legacy.match(name) and not name.endswith(".default_rng")
    ]
    require_none(breaches, "randomness takes a generator, never the global one")


def test_plugins_follow_the_device_of_their_input() -> None:
    breaches = []
    for path in SHIPPED:
        if path.relative_to(ROOT).parts[0] != "plugins":
            continue
        for call, name in calls(path):
            values = [*call.args, *(keyword.value for keyword in call.keywords)]
            literals = [v for v in values if isinstance(v, ast.Constant) and re.fullmatch(r"(cpu|cuda|mps)(:\d+)?", str(v.value))]
            if literals or name.endswith(".cuda"):
                breaches.append(f"{place(path, call)}: {ast.unparse(call)}")
    require_none(breaches, "a plugin names no device; it follows its input, or the context's device")


def test_nothing_yields_while_gradients_are_off() -> None:
    breaches = []
    for path in SHIPPED:
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.With) and any(
                re.search(r"no_grad|inference_mode|set_grad_enabled", ast.unparse(item.context_expr)) for item in node.items
            ):
                breaches += [place(path, inner) for inner in ast.walk(node) if isinstance(inner, ast.Yield | ast.YieldFrom)]
    require_none(breaches, "a generator that yields while gradients are off switches them off in its caller; use .detach()")


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_has_a_name_and_a_complete_example(name: str) -> None:
    assert name.startswith("moft_"), f"hook {name} in moft/hooks/specs.py must be called moft_*"
    text = inspect.getdoc(getattr(specs, name)) or ""
    _, found, example = text.partition("Example:")
    assert found, f"hook {name} in moft/hooks/specs.py has no Example"
    tree = ast.parse(inspect.cleandoc(example))
    assert isinstance(tree.body[0], ast.FunctionDef), f"the Example of hook {name} is no function"
    assert tree.body[0].name == name, f"the Example of hook {name} is of {tree.body[0].name}"
    assert [ast.unparse(decorator) for decorator in tree.body[0].decorator_list] == ["hookimpl"], f"the Example of hook {name}"
    taken = {argument.arg for argument in tree.body[0].args.args}
    known = set(inspect.signature(getattr(specs, name)).parameters)
    assert taken <= known, f"the Example of hook {name} takes {taken - known}, which the hook does not give"


@pytest.mark.parametrize("face", FACES, ids=lambda face: face.__name__)
def test_every_public_name_is_documented(face: object) -> None:
    names = list(face.__all__)  # type: ignore[attr-defined]
    assert names == sorted(names), f"__all__ of {face} is not sorted"
    bare = []
    for name in names:
        value = getattr(face, name)
        if (inspect.isclass(value) or inspect.isfunction(value)) and not own_docstring(value):
            bare.append(f"{value.__module__}.{value.__qualname__}")
    require_none(bare, "these public names have no docstring of their own")


def own_docstring(value: object) -> str:
    """What its author wrote; empty for the text that a dataclass is given by Python."""
    text = vars(value).get("__doc__") or "" if inspect.isclass(value) else value.__doc__ or ""
    return "" if inspect.isclass(value) and text.startswith(f"{value.__name__}(") else text


def test_every_change_has_one_sentence_for_a_user() -> None:
    breaches = []
    for path in sorted((ROOT / "docs" / "changes").iterdir()):
        if path.name == "README.md":
            continue
        text = path.read_text(encoding="utf-8") if path.suffix == ".md" else ""
        if not FRAGMENT.fullmatch(path.name):
            breaches.append(f"{place(path)}: is not called <slug>.<kind>.md")
        elif len(text.strip().splitlines()) != 1 or not text.strip().endswith("."):
            breaches.append(f"{place(path)}: is not one sentence on one line")
    require_none(breaches, "a fragment is one sentence; docs/changes/README.md says more")


def _is_constant(node: ast.expr, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value
