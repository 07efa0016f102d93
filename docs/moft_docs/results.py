"""Tables of the measurements in `benchmarks/results/`."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from moft_docs.markdown import sentence
from moft_docs.pages import BENCHMARKS, pages
from moft_docs.results_llm import dial_table, gpu_tables, story_method_tables, story_tables
from moft_docs.results_ltr import (
    choice_tables,
    conditioner_tables,
    curve_tables,
    dedicated_models_table,
    loss_optima_table,
    method_tables,
    paper_rows,
    vertex_tables,
)
from moft_docs.results_plain import plain_tables

PACKAGES = ("moft", "torch", "transformers", "peft")
"""Whose versions stand below a table; the file has all of them."""
SHOWN = "<!-- generated: benchmark "


def paper_table(name: str = "methods-mslr", *, folder: Path = BENCHMARKS) -> str:
    """The paper's table 1 beside the results of the same methods here."""
    path = folder / "results" / f"{name or 'methods-mslr'}.json"
    return paper_rows(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else _missing(path)


def benchmark_results(name: str, *, folder: Path = BENCHMARKS) -> str:
    """The tables of `results/NAME.json`, or a sentence that says that there are none."""
    path = folder / "results" / f"{name}.json"
    if not path.exists():
        return _missing(path)
    content = json.loads(path.read_text(encoding="utf-8"))
    return f"{form_of(content)(content)}\n\n{measured_on(content, path.name)}"


def other_results(_: str = "", *, folder: Path = BENCHMARKS, texts: Iterable[str] | None = None) -> str:
    """A section for every result that no page shows.

    Args:
        folder: of the benchmarks.
        texts: of the pages; None reads them.
    """
    lines = [line for text in (_texts() if texts is None else texts) for line in text.splitlines()]
    shown = {line.removeprefix(SHOWN).removesuffix(" -->") for line in lines if line.startswith(SHOWN)}
    names = sorted(path.stem for path in (folder / "results").glob("*.json") if path.stem not in shown)
    if not names:
        return "*There are no further results.*"
    sections = ((f"### `{name}`", _about(folder, name), benchmark_results(name, folder=folder)) for name in names)
    return "\n\n".join(part for section in sections for part in section if part)


def form_of(content: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], str]:
    """What makes tables of a result, chosen by what it has."""
    match content:
        case {"found": _}:
            return loss_optima_table
        case {"variants": variants}:
            return vertex_tables if all("policy" in found for found in variants.values()) else conditioner_tables
        case {"choices": _, "surrogates": _}:
            return choice_tables
        case {"curves": _}:
            return curve_tables
        case {"policy_seconds": _}:
            return dedicated_models_table
        case {"entries": _, "verdicts": _}:
            return method_tables if "share_of_time" in content else story_method_tables
        case {"gpu": _, "runs": _}:
            return gpu_tables
        case {"prompts": _, "weights": _, "objectives": _}:
            return story_tables
        case {"rows": _, "objectives": _}:
            return dial_table
    return plain_tables


def measured_on(content: Mapping[str, Any], file: str) -> str:
    """On what, how often and when something was measured, and the file that has it."""
    setup = content.get("setup", content)
    words = [f"{setup[key]} {key if setup[key] != 1 else key[:-1]}" for key in ("seeds", "folds") if setup.get(key)]
    words += [f"{setup['split']} split"] if "split" in setup else []
    machine = content.get("machine", {})
    parts = [sentence(", ".join(words))] if words else []
    if machine:
        place = [content["gpu"]] if "gpu" in content else []
        place.append(f"{machine['processor']}, {machine['cores']} cores")
        installed = machine.get("packages", {})
        versions = [f"Python {machine['python']}", *(f"{name} {installed[name]}" for name in PACKAGES if name in installed)]
        parts += ["; ".join(place), ", ".join(versions), machine["date"]]
    parts.append(f"`benchmarks/results/{file}`")
    return f"*{'. '.join(parts)}.*"


def _texts() -> list[str]:
    return [page.read_text(encoding="utf-8") for page in pages()]


def _missing(path: Path) -> str:
    return f"*Not measured yet: there is no `benchmarks/results/{path.name}`.*"


def _about(folder: Path, name: str) -> str:
    """What the program that wrote a result says of itself, and its name for those who want more."""
    program = next((path for stem in (name, name.replace("-", "_")) if (path := folder / f"{stem}.py").exists()), None)
    if program is None:
        return ""
    text = ast.get_docstring(ast.parse(program.read_text(encoding="utf-8"))) or ""
    first, _, _ = text.partition("\n\n")
    return f"{' '.join(first.split())} (`benchmarks/{program.name}`)"
