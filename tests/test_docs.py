"""The documentation: what its pages show runs, what they name exists, and what exists is named.

A page is read from top to bottom in a folder of its own, in which `configs/` lies. A fence with `console` holds commands after
`$ ` and what they print, in which numbers may differ and `...` stands for anything. A server is started by a command that ends in
`&`, with another port than the page shows, and has to end well after the page. One with `python` is run, in one namespace
for the page. One with `yaml` is a config, or a piece of one, whose settings must exist. A comment above a fence changes that:
`<!-- file: NAME -->` writes it to a file, `<!-- check-only: REASON -->` runs nothing and checks commands by their options.
What stands between `<!-- generated: ... -->` and `<!-- /generated -->` is made by `make reference`; its `py` is shown only.
A page that begins with `<!-- starts with: first -->` finds the lists, the config and the run of the first tutorial.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import typer

from moft.cli.app import application, main
from moft.config.yaml12 import dump, load
from moft.files.cache_folder import cache_folder
from moft.hooks.plugin_manager import Plugins
from moft.run.run_config import read_settings
from moft.run.train import train_run
from moft_ltr.data.example_data.synthetic import Synthetic, make_synthetic
from tests.page_programs import Servers, install

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
APART = {"changes", "_build", "moft-hinge"}
PAGES = [ROOT / "README.md", *sorted(p for p in DOCS.rglob("*.md") if not APART & set(p.relative_to(DOCS).parts))]
TEXTS = {path: path.read_text(encoding="utf-8") for path in PAGES}

FENCE = re.compile(r"(?:^<!-- (?P<mark>[^>]+) -->\n)?^(?P<ticks>```+)(?P<kind>[\w{}-]*)\n(?P<text>.*?)^(?P=ticks)$", re.M | re.S)
GENERATED = re.compile(r"^<!-- generated: [^>]+ -->$.*?^<!-- /generated -->$", re.M | re.S)
NUMBER = re.compile(r"[-+]?\d[\d.,:]*(e[-+]?\d+)?")

# The config that a piece of one is a piece of, and the first tutorial's.
FIRST = """\
task:
  name: ltr
  data: lists
  objectives:
    first: {column: objective-1}
    second: {column: objective-2}
  base: {epochs: 5}
  width: 16
  layers: 1
method: cos-dpo
trainer:
  epochs: 40
profile:
  evaluator: ndcg
"""
SHORT = FIRST.replace("epochs: 5", "epochs: 1").replace("layers: 1", "layers: 1\n  items_per_batch: 960")


@dataclass(frozen=True)
class Fence:
    """A fenced block of a page.

    Args:
        line: where it begins, from 1.
        kind: the word behind its ticks.
        text: what it holds.
        mark: the comment right above it, or empty.
    """

    line: int
    kind: str
    text: str
    mark: str

    @property
    def file(self) -> str | None:
        """The file that it is written to."""
        return self.mark.removeprefix("file:").strip() if self.mark.startswith("file:") else None

    @property
    def is_run(self) -> bool:
        """Whether its commands or statements are run."""
        return not self.mark.startswith("check-only") and self.file is None

    @property
    def commands(self) -> list[tuple[str, str]]:
        """Each command, and what is printed after it."""
        found: list[tuple[str, str]] = []
        for part in re.split(r"^\$ ", self.text, flags=re.M)[1:]:
            command, _, output = re.sub(r" \\\n>? *", " ", part).partition("\n")
            found.append((command, output))
        return found


def fences_of(text: str) -> list[Fence]:
    """The blocks of a page, in order."""
    return [
        Fence(text.count("\n", 0, found.start("ticks")) + 1, found["kind"], found["text"], found["mark"] or "")
        for found in FENCE.finditer(text)
    ]


FENCES = {path: fences_of(text) for path, text in TEXTS.items()}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def every_page_with(*kinds: str) -> pytest.MarkDecorator:
    """One test for each page that has a fence of these kinds."""
    chosen = [path for path, fences in FENCES.items() if any(fence.kind in kinds for fence in fences)]
    return pytest.mark.parametrize("page", chosen, ids=name_of)


@pytest.fixture(scope="session")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the lists, a shorter config and the run of the first tutorial."""
    folder = tmp_path_factory.mktemp("first")
    make_synthetic(folder / "lists", Synthetic(lists=240, items=12, features=8))
    config = folder / "first.yaml"
    config.write_text(SHORT.replace("epochs: 40", "epochs: 8\n  evaluations: 2"), encoding="utf-8")
    shorter = [f"task.data={folder / 'lists'}", "task.base.epochs=1", "trainer.epochs=4", "trainer.device=cpu"]
    plugins = Plugins()
    plugins.load(disable=["console"])
    train_run(read_settings(config, shorter, plugins), folder / "runs" / "first", plugins)
    return folder


@pytest.fixture(scope="session")
def sample() -> None:
    """Synthetic lists in place of the fetched real ones: 131 features and five labels, as many columns as those have."""
    target = cache_folder() / "data" / "mslr-sample"
    if not target.exists():
        make_synthetic(target, Synthetic(lists=12, items=8, features=131, objectives=5))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder that a page is read in."""
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        if str(getattr(sys.modules[name], "__file__", "") or "").startswith(str(tmp_path)):
            del sys.modules[name]


@dataclass
class Reader:
    """Does what a page shows.

    Args:
        page: which.
        folder: where.
        patch: undone after the test.
        servers: that its commands start.
    """

    page: Path
    folder: Path
    patch: pytest.MonkeyPatch
    servers: Servers
    names: dict[str, Any] = field(default_factory=dict)

    def read(self, fence: Fence) -> None:
        place = f"{name_of(self.page)}:{fence.line}"
        if fence.file is not None:
            path = self.folder / fence.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(fence.text, encoding="utf-8")
        elif fence.kind == "python" and fence.is_run:
            script = self.folder / f"fence-{fence.line}.py"
            script.write_text(self.servers.with_ports(fence.text), encoding="utf-8")
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                self.names = runpy.run_path(str(script), init_globals=self.names)
        elif fence.kind == "console":
            for command, expected in fence.commands:
                if fence.is_run:
                    self.run(command, expected, place)
                else:
                    check_words(command, place)

    def run(self, command: str, expected: str, place: str) -> None:
        words = shlex.split(command)
        if words[-1] == "&":
            self.servers.start(words[:-1], self.folder)
            return
        command = self.servers.with_ports(command)
        while re.fullmatch(r"[A-Z_]+=.*", words[0]):
            name, _, value = words.pop(0).partition("=")
            self.patch.setenv(name, value)
        out, err = io.StringIO(), io.StringIO()
        if words[:3] == ["pip", "install", "-e"]:
            install(self.folder / words[3].removesuffix("[test]"), self.patch)
            return
        if words[0] == "moft":
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = main(words[1:])
        elif words[0] == "python":
            with contextlib.redirect_stdout(out):
                runpy.run_path(words[1], run_name="__main__")
            code = 0
        else:
            paths = os.pathsep.join([str(self.folder), *filter(None, [os.environ.get("PYTHONPATH")])])
            environment = os.environ | {"PYTHONPATH": paths}
            done = subprocess.run(command, shell=True, cwd=self.folder, capture_output=True, text=True, env=environment)
            out, err, code = io.StringIO(done.stdout), io.StringIO(done.stderr), done.returncode
        is_refusal = "moft: error:" in expected
        shown = err.getvalue() if is_refusal else out.getvalue()
        assert (code != 0) == is_refusal, f"{place}: {command!r} ended with {code}:\n{out.getvalue()}{err.getvalue()}"
        if expected.strip():
            assert agrees(shown, expected), f"{place}: {command!r} prints\n{shown}\nand the page shows\n{expected}"


def agrees(found: str, expected: str) -> bool:
    """Whether both are the same but for numbers, spaces, rules, and what `...` stands for."""
    found, expected = map(_levelled, (found, expected))
    pattern = ".*".join(re.escape(part.strip()) for part in expected.split("..."))
    return re.fullmatch(rf"\s*{pattern}\s*".replace(r"\ ", r"\s*"), found, re.S) is not None


def _levelled(text: str) -> str:
    return " ".join(re.sub(r"[─━]+", "─", NUMBER.sub("#", text)).split())


@pytest.mark.slow
@every_page_with("console", "python")
def test_what_a_page_shows_works(
    page: Path,
    folder: Path,
    first_run: Path,
    sample: None,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    warm = request.getfixturevalue("warm") if re.search(r"^\$ (moft sweep|pytest|.* &$)", TEXTS[page], re.M) else ""
    if warm:
        python = Path(warm)
        programs = tmp_path_factory.mktemp("programs")
        (programs / "pytest").write_text(f'#!/bin/sh\nexec "{python}" -m pytest "$@"\n', encoding="utf-8")
        (programs / "pytest").chmod(0o755)
        monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    if "<!-- starts with: first -->" in TEXTS[page]:
        for name in ("lists", "first.yaml", "runs"):
            source = first_run / name
            shutil.copytree(source, folder / name) if source.is_dir() else shutil.copy(source, folder / name)
    with Servers(warm) as servers:
        reader = Reader(page, folder, monkeypatch, servers)
        for fence in FENCES[page]:
            reader.read(fence)


@every_page_with("yaml")
def test_the_settings_that_a_page_shows_exist(
    page: Path, folder: Path, plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    for fence in FENCES[page]:
        if fence.file is not None:
            path = folder / fence.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(fence.text, encoding="utf-8")
    for fence in FENCES[page]:
        if fence.kind == "yaml":
            for name in re.findall(r"\$\{(?:secret:)?(\w+)\}", fence.text):
                monkeypatch.setenv(name, "somewhere")
            content, shown = load(FIRST), load(fence.text)
            assert isinstance(shown, dict), f"{name_of(page)}:{fence.line}: is no piece of a config"
            config = folder / "whole.yaml"
            config.write_text(dump(merged(content, shown)), encoding="utf-8")
            read_settings(config, (), plugins).make()


def merged(whole: Any, piece: Any) -> Any:
    """The mapping with a piece of it changed; the piece replaces what is not a mapping in both, or has another name."""
    if not isinstance(whole, Mapping) or not isinstance(piece, Mapping):
        return piece
    if "name" in piece and whole.get("name") != piece["name"]:
        return piece
    return {**whole, **{key: merged(whole.get(key), value) if key != "objectives" else value for key, value in piece.items()}}


def test_a_config_file_of_the_first_tutorial_is_the_one_that_other_pages_start_with() -> None:
    page = DOCS / "tutorial" / "first-front.md"
    shown = [fence.text for fence in FENCES[page] if fence.file == "first.yaml"]
    assert shown == [FIRST]


def commands_of(plugins: Plugins) -> dict[str, Any]:
    """Every command that does something, by its words after `moft`; the whole of `moft` is the empty one."""

    def walk(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
        yield " ".join(words), command
        for name, inner in getattr(command, "commands", {}).items():
            yield from walk(inner, (*words, name))

    return dict(walk(typer.main.get_command(application(plugins)), ()))


def options_of(command: Any) -> set[str]:
    return {option for parameter in command.params for option in parameter.opts if option.startswith("--")} | {"--help"}


LOADED = Plugins()
LOADED.load()
COMMANDS = commands_of(LOADED)


def check_words(text: str, place: str) -> None:
    """Checks that the commands of moft in a line exist, with the options that they are given."""
    for part in re.split(r"&&|\||;", text):
        words = shlex.split(part.replace("[", "").replace("]", ""), comments=True)
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            words.pop(0)
        if not words or words[0] != "moft":
            continue
        known = [words[1 : n + 1] for n in range(len(words)) if " ".join(words[1 : n + 1]) in COMMANDS]
        name = " ".join(known[-1])
        rest = words[1 + len(known[-1]) :]
        is_group = bool(getattr(COMMANDS[name], "commands", {}))
        assert not (is_group and rest and not rest[0].startswith("-")), f"{place}: {part!r}: moft has no such command"
        for word in rest:
            if word.startswith("--"):
                assert word.partition("=")[0] in options_of(COMMANDS[name]), f"{place}: {part!r}: 'moft {name}' has no {word}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_that_a_page_names_exists(page: Path) -> None:
    for fence in FENCES[page]:
        for command, _ in fence.commands if fence.kind == "console" and not fence.is_run else ():
            check_words(command, f"{name_of(page)}:{fence.line}")
    for found in re.finditer(r"(?<!`)`(moft(?: [^`]+)?)`(?!`)", FENCE.sub("", TEXTS[page])):
        check_words(found[1].replace("...", "x"), f"{name_of(page)}, {found[1]!r}")


def test_the_page_of_the_command_line_names_every_option_and_no_other() -> None:
    text = (DOCS / "reference" / "command-line.md").read_text(encoding="utf-8")
    sections = {found[1]: found[2] for found in re.finditer(r"^#+ `moft ?([^`]*)`\n(.*?)(?=^#+ |\Z)", text, re.M | re.S)}
    assert set(sections) == set(COMMANDS), "commands and sections differ"
    for name, section in sections.items():
        rows = set(re.findall(r"^\| `(--[a-z-]+)", section, re.M))
        assert rows == options_of(COMMANDS[name]) - {"--help"}, f"options of 'moft {name}' and the rows of its section differ"
        arguments = {p.name.upper() for p in COMMANDS[name].params if p.param_type_name == "argument"}
        assert set(re.findall(r"^\| `([A-Z]+)` ", section, re.M)) == arguments, f"arguments of 'moft {name}'"


def test_the_page_of_the_run_folder_names_every_file_and_every_field(first_run: Path) -> None:
    text = (DOCS / "reference" / "run-folder.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([^`\n]+)`", text))
    run = first_run / "runs" / "first"
    files = {path.relative_to(run).parts[0] + ("/" if path.is_dir() else "") for path in run.iterdir() if path.name != ".lock"}
    assert files <= named, f"files that the page does not name: {files - named}"
    record = json.loads((run / "front.json").read_text(encoding="utf-8"))
    fields = {*record, *record["points"][0], *record["hypervolume"], *record["main"], *record["cost"]}
    assert fields <= named, f"fields of front.json that the page does not name: {fields - named}"
    steps = [json.loads(line) for line in (run / "steps.jsonl").read_text(encoding="utf-8").splitlines()]
    keys = {key for step in steps for key in step} - {"first", "second"}
    assert keys <= named, f"values of steps that the page does not name: {keys - named}"
    versions = json.loads((run / "versions.json").read_text(encoding="utf-8"))
    assert versions.keys() <= named, f"fields of versions.json that the page does not name: {versions.keys() - named}"
    from safetensors import safe_open

    with safe_open(run / "lists.safetensors", framework="pt") as tensors:
        assert set(tensors.keys()) <= named, "tensors of lists.safetensors"


RUN_BY = {
    "generate-from-python.md": "tests/plugins/moft_llm/serving/test_page.py",
    "serve-a-language-model.md": "tests/plugins/moft_serve/openai/test_page.py",
}
"""The test that runs the Python of a page which needs more than these tests make."""


def test_code_examples_are_fenced_as_something_that_is_checked() -> None:
    known = {"console", "python", "yaml", "text", "json", "toml", "bibtex", "math", "{toctree}"}
    written = {path: fences_of(GENERATED.sub("", text)) for path, text in TEXTS.items()}
    found = {(name_of(path), fence.text, fence.kind) for path, fences in written.items() for fence in fences}
    assert not {entry for entry in found if entry[2] not in known}
    assert all((ROOT / test).exists() for test in RUN_BY.values())
    python = [(p, f) for p, fences in FENCES.items() for f in fences if f.kind == "python" and p.name not in RUN_BY]
    unrun = [(p, f.line) for p, f in python if f.mark.startswith("check-only")]
    assert not unrun, f"Python that no test runs: {unrun}"
