"""The generated blocks of pages: each is what the code and the results give now, and the tool fills them as it says."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

import moft.api
import moft.testing
from moft.cli.app import application
from moft.hooks import specs
from moft.hooks.plugin_manager import Plugins
from moft.hooks.registry import KINDS

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
APART = {"changes", "_build", "moft-hinge"}
PAGES = [ROOT / "README.md", *sorted(p for p in DOCS.rglob("*.md") if not APART & set(p.relative_to(DOCS).parts))]
BEGIN, END = "<!-- generated: command config schema -->", "<!-- /generated -->"


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture(autouse=True)
def on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(DOCS))


@pytest.fixture
def tool() -> Any:
    return importlib.import_module("moft_docs.blocks")


@pytest.fixture
def part(tool: Any) -> Callable[[str, str], str]:
    """Makes one part: its name and argument to its text."""
    return lambda name, argument="": str(tool.PARTS[name](argument))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_holds_what_is_generated_for_it(page: Path, tool: Any) -> None:
    text = page.read_text(encoding="utf-8")
    new = importlib.import_module("reference").made(text, page)
    kept, written = tool.blocks(text), tool.blocks(new)
    stale = ", ".join(begin for begin in written if kept[begin] != written[begin]) or "none, but links without a text"
    assert text == new, f"{name_of(page)} is out of date: run 'make reference'. Blocks that differ: {stale}."


def test_a_beginning_without_an_end_is_filled_and_closed(tool: Any) -> None:
    page = f"# Page\n\n{BEGIN}\n\nGoes on.\n\n{BEGIN}\nlast line"
    text = tool.filled(page)
    assert text.count(BEGIN) == text.count(END) == 2
    assert text.startswith(f"# Page\n\n{BEGIN}\n\n```text\nmoft config schema [OPTIONS]\n```\n\n|")
    assert f"|\n\n{END}\n\nGoes on.\n\n{BEGIN}\n\n```text" in text
    assert text.endswith(f"|\n\n{END}\nlast line")
    assert tool.filled(text) == text


def test_what_stands_in_a_block_is_replaced(tool: Any) -> None:
    text = tool.filled(f"{BEGIN}\nold\n\nolder\n{END}\nkept\n")
    assert "old" not in text
    assert text.endswith(f"{END}\nkept\n")


def test_a_marker_within_a_line_is_text(tool: Any) -> None:
    page = f"A line `{BEGIN}` begins a block.\n"
    assert tool.filled(page) == page


def test_a_part_that_nobody_makes_is_refused(tool: Any) -> None:
    with pytest.raises(KeyError, match="nonsense"):
        tool.filled("<!-- generated: nonsense -->")


def test_an_end_without_a_beginning_is_refused(tool: Any) -> None:
    with pytest.raises(ValueError, match=r"line 2: .* has no beginning"):
        tool.filled(f"text\n{END}\n")


def test_a_link_without_a_text_takes_the_title_of_what_it_leads_to(tmp_path: Path) -> None:
    links, page = importlib.import_module("moft_docs.links"), tmp_path / "page.md"
    (tmp_path / "other.md").write_text("# The other `page`\n\n## Its end, at last\n", encoding="utf-8")
    text = "# Here\n[](other.md), [](other.md#its-end-at-last), [](#here), [kept](other.md), `[](any)`\n"
    shown = "# Here\n[The other `page`](other.md), [Its end, at last](other.md#its-end-at-last), [Here](#here), "
    assert links.titled(text, page) == f"{shown}[kept](other.md), `[](any)`\n"
    for wrong in ("[](missing.md)", "[](other.md#nothing)"):
        with pytest.raises(LookupError, match="leads nowhere"):
            links.titled(wrong, page)


def test_the_command_writes_the_pages_that_differ(
    tool: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program = importlib.import_module("reference")
    (tmp_path / "one.md").write_text(f"{BEGIN}\n", encoding="utf-8")
    (tmp_path / "two.md").write_text("nothing\n", encoding="utf-8")
    monkeypatch.setattr(program, "ROOT", tmp_path)
    monkeypatch.setattr(program, "pages", lambda: sorted(tmp_path.glob("*.md")))
    program.main()
    assert capsys.readouterr().out == "one.md\n"
    assert (tmp_path / "one.md").read_text(encoding="utf-8") == tool.filled(f"{BEGIN}\n")
    program.main()
    assert capsys.readouterr().out == ""


def test_settings_have_a_section_for_every_component_and_a_link_to_every_section(part: Any, plugins: Plugins) -> None:
    from moft_docs.markdown import anchor

    for kind in KINDS:
        text = part("components", kind)
        headings = re.findall(r"^#{3,4} (.*)$", text, re.MULTILINE)
        assert all(any(f"`{offer.component.name}`" in heading for heading in headings) for offer in plugins.offers(kind))
        assert set(re.findall(r"\]\(#([^)]*)\)", text)) == {anchor(heading) for heading in headings}
    assert "sharpness" in part("components", "losses")


def test_a_record_is_found_by_its_name_whatever_its_module(part: Any) -> None:
    assert "| `epochs` |" in part("record", "TrainerSettings")
    assert part("record", "anywhere:TrainerSettings") == part("record", "TrainerSettings")
    with pytest.raises(KeyError, match="Nothing"):
        part("record", "Nothing")


def test_every_hook_has_its_arguments_and_its_example(part: Any) -> None:
    sections = dict(re.findall(r"^## `(\w+)`\n(.*?)(?=^## |\Z)", part("hooks"), flags=re.M | re.S))
    hooks = {name: value for name, value in vars(specs).items() if inspect.isfunction(value) and name.startswith("moft_")}
    assert set(sections) == set(hooks)
    for name, hook in hooks.items():
        taken = list(inspect.signature(hook).parameters)
        assert [one for one in taken if not re.search(rf"^def {name}\(.*\b{one}: ", sections[name], flags=re.M)] == []
        assert f"@hookimpl\ndef {name}(" in sections[name]


@pytest.mark.parametrize("face", [moft, moft.api, moft.testing], ids=lambda face: face.__name__)
def test_every_public_name_is_there_with_a_signature_that_is_python(part: Any, face: Any) -> None:
    text = part("api", face.__name__)
    named = set(re.findall(r"^(?:#{3,4} |\| )`(\w+)`", text, re.MULTILINE))
    assert set(face.__all__) <= named
    stubs = re.findall(r"^```py\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    for stub in stubs:
        ast.parse(stub)
    addresses = [line for line in text.splitlines() if re.search(r"0x[0-9a-f]{6}|<\w+ object|typing\.", line)]
    assert not addresses, "what Python prints of a value differs from one version to the next"


def test_a_class_has_its_attributes_its_methods_and_what_they_raise(part: Any) -> None:
    text = part("api", "moft.api")
    section = text.partition("#### `Trainer`\n")[2].partition("\n#### ")[0]
    assert "class Trainer(ABC):\n" in section
    assert "    @abstractmethod\n    def minimise(\n        self,\n        job: str,\n" in section
    assert "\n- `minimise(...)`: " in section
    assert "\n  - `job`: " in section
    assert "\n  - Raises `RunError`: " in section


def test_every_command_has_its_arguments_and_options(part: Any, plugins: Plugins) -> None:
    def walk(command: Any, words: tuple[str, ...]) -> Any:
        yield " ".join(words), command
        for name, inner in getattr(command, "commands", {}).items():
            yield from walk(inner, (*words, name))

    for words, command in walk(typer.main.get_command(application(plugins)), ()):
        text = part("command", words)
        options = {option for p in command.params for option in p.opts if option.startswith("--")} - {"--help"}
        assert set(re.findall(r"^\| `(--[a-z-]+)", text, re.MULTILINE)) == options, f"moft {words}"
        arguments = {p.name.upper() for p in command.params if p.param_type_name == "argument"}
        assert set(re.findall(r"^\| `([A-Z]+)`", text, re.MULTILINE)) == arguments, f"moft {words}"
        inner = getattr(command, "commands", {})
        assert all(f"`{' '.join(['moft', *words.split(), name])}`" in text for name in inner), f"moft {words}"
    text = part("command", "data make synthetic")
    assert "| `--lists N` | `1500` | " in text
    assert r"| `--format arrays\|svmlight` | `arrays` | " in text


def vertices(objectives: list[str]) -> dict[str, Any]:
    """A result of the study of the vertices, as its program writes it."""
    m = len(objectives)
    row = {
        **{key: [0.1 * (j + 1) for j in range(m)] for key in ("policy", "dedicated", "base")},
        "objectives": objectives,
        "lists": 175,
        "ratio": [0.9] * (m - 1) + [0.75],
        "ratio_ci": [[0.8, 1.0]] * m,
        "above_base_ci": [[0.01, 0.05]] * m,
        "hypervolume": 0.00512,
        "hypervolume_ci": [0.004, 0.006],
        "main": 0.36,
        "seconds": 12.5,
        "dedicated_seconds": 50.0,
    }
    setup = {"split": "validation", "seeds": 3, "folds": 1}
    machine = {"processor": "P", "cores": 2, "python": "3.11", "packages": {"torch": "2"}, "date": "2026-01-01"}
    return {"setup": setup, "machine": machine, "variants": {"defaults": row, "no balance": row}}


def test_the_table_of_the_vertices_has_a_row_for_each_variant(tmp_path: Path) -> None:
    results = importlib.import_module("moft_docs.results")
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "any.json").write_text(json.dumps(vertices(["clicks", "dwell"])), encoding="utf-8")
    text = results.benchmark_results("any", folder=tmp_path)
    rows = [line for line in text.splitlines() if line.startswith("| no balance |")]
    assert rows[0] == "| no balance | 0.90 | 0.75 | 0.75 | 5.12 [4.00, 6.00] | 0.360 | 12.5 |"
    assert "*3 seeds, 1 fold, validation split. P, 2 cores. Python 3.11, torch 2. 2026-01-01. " in text
    assert "`benchmarks/results/any.json`.*" in text


def test_results_that_no_page_shows_have_a_section(tmp_path: Path) -> None:
    results = importlib.import_module("moft_docs.results")
    (tmp_path / "results").mkdir()
    for name in ("shown", "other"):
        (tmp_path / "results" / f"{name}.json").write_text('{"rounds": 7}', encoding="utf-8")
    text = results.other_results(folder=tmp_path, texts=["a\n<!-- generated: benchmark shown -->\n"])
    assert re.findall(r"^### .*", text, re.MULTILINE) == ["### `other`"]


def test_a_result_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    results = importlib.import_module("moft_docs.results")
    assert "Not measured yet" in results.benchmark_results("nothing", folder=tmp_path)
    assert "Not measured yet" in results.paper_table(folder=tmp_path)
    assert "no further results" in results.other_results(folder=tmp_path, texts=[])


def test_any_result_becomes_tables() -> None:
    plain = importlib.import_module("moft_docs.results_plain")
    spread = {"median": 2.0, "low": 1.5, "high": 2.5}
    content = {
        "rounds": 7,
        "whole": {**spread, "target": 4},
        "ratios": {"a | b": {**spread, "target": 3}},
        "parts": {"x": {"one": 1.0}},
        "sizes": [{"lists": 1250, "is_whole": True}],
        "first": {"a": 1.0, "b": 2.0},
        "second": {"a": 3.0, "b": 4.0},
    }
    text = plain.plain_tables(content)
    assert r"| a \| b | 2 (1.5 to 2.5) | 3 |" in text
    assert "| rounds | 7 |" in text
    assert "| whole | 2 (1.5 to 2.5) | 4 |" in text
    assert "| x | 1 |" in text
    assert "| 1,250 | yes |" in text
    assert "|  | first | second |\n| --- | ---: | ---: |\n| a | 1 | 3 |\n| b | 2 | 4 |" in text


def test_a_docstring_is_taken_apart() -> None:
    docstrings = importlib.import_module("moft_docs.docstrings")
    text = (
        "Sum\nof it.\n\nBody\nhere.\n\nArgs:\n    one: text that\n        goes on.\n    two: b.\n\nReturns: zero\n    or one.\n\n"
        "Raises:\n    DataError: c.\n\nMore.\n\nSource: book,\n    page 2.\n\nExample:\n    @mark\n\n    def f(): ...\n"
    )
    assert docstrings.parsed(text) == docstrings.Docstring(
        summary="Sum of it.",
        body="Body\nhere.\n\nMore.",
        args={"one": "text that goes on.", "two": "b."},
        returns="zero or one.",
        raises={"DataError": "c."},
        source="book, page 2.",
        example="@mark\n\ndef f(): ...",
    )
    assert docstrings.parsed(None) == docstrings.Docstring()
    continued = docstrings.parsed("Sum.\n\nSource: a\nb.\n\nArgs:\n    only: x\n        y.")
    assert (continued.source, continued.args) == ("a b.", {"only": "x y."})
