"""The pages of the documentation as texts: they are complete, name no machine, lead somewhere, and build without a warning."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from moft.cli.app import main
from moft.hooks.plugin_manager import Plugins
from moft.hooks.registry import KINDS, SINGULAR

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
APART = {"changes", "_build", "moft-hinge"}
PAGES = [ROOT / "README.md", *sorted(p for p in DOCS.rglob("*.md") if not APART & set(p.relative_to(DOCS).parts))]
TEXTS = {path: path.read_text(encoding="utf-8") for path in PAGES}

FENCE = re.compile(r"^(?P<ticks>```+)[^`\n]*\n.*?^(?P=ticks)$", re.M | re.S)
FOREIGN = re.compile(r"(?<![\w.}~-])/(work|root|home|tmp|usr|opt|mnt|Users)/|localhost|127\.0\.0\.1")
ADDRESS = "http://127.0.0.1:8000"
"""Where `moft serve` listens on any machine, unless it is told otherwise."""
HOSTS = {"arxiv.org", "huggingface.co", "typer.tiangolo.com"}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_every_kind_of_plugin_has_a_page_with_an_example() -> None:
    overview = TEXTS[DOCS / "how-to" / "write-a-plugin.md"]
    for kind in [*(SINGULAR[kind] for kind in KINDS), "command", "observer"]:
        name = f"write-{'an' if kind[0] in 'aeio' else 'a'}-{kind}.md"
        text = TEXTS[DOCS / "how-to" / name]
        assert f"[{kind}]({name})" in overview, f"write-a-plugin.md does not lead to the page on a {kind}"
        assert "<!-- file: " in text, f"{name} has no example"
        assert f"--kind {kind}`" in text, f"{name} does not say how to begin"


def test_the_package_beside_the_tutorial_is_what_the_tutorial_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page, beside = TEXTS[DOCS / "tutorial" / "first-plugin.md"], DOCS / "tutorial" / "moft-hinge"
    monkeypatch.chdir(tmp_path)
    assert main(["new", "plugin", "hinge", "--kind", "loss"]) == 0
    made = {path.relative_to(tmp_path).as_posix(): path.read_text("utf-8") for path in tmp_path.rglob("*") if path.is_file()}
    kept = {path.relative_to(beside.parent).as_posix() for path in beside.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert kept == set(made), "the files of docs/tutorial/moft-hinge and those of moft new plugin differ"
    for name, text in made.items():
        assert (beside.parent / name).read_text(encoding="utf-8") == text, f"docs/tutorial/{name} differs; make it again"
    shown = dict(re.findall(r"^<!-- file: (moft-hinge/\S+) -->\n```\w+\n(.*?)^```$", page, flags=re.M | re.S))
    assert shown == {name: made[name] for name in shown}, "the page shows other files than moft new plugin writes"
    assert {"moft-hinge/pyproject.toml", "moft-hinge/src/moft_hinge/loss.py"} <= set(shown)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_names_no_machine(page: Path) -> None:
    text = TEXTS[page].replace(ADDRESS, "")
    found = [match[0] for match in FOREIGN.finditer(text)]
    assert not found, f"{name_of(page)} names paths or hosts of a machine: {found}"
    hosts = set(re.findall(r"https?://([^/\s)>\"'`]+)", text)) - HOSTS
    assert not hosts, f"{name_of(page)} links to {hosts}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_to_a_file(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", FENCE.sub("", TEXTS[page]))
    missing = [t for t in targets if "://" not in t and not (page.parent / t).exists()]
    assert not missing, f"{name_of(page)} links to {missing}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_file_of_the_code_that_a_page_names_is_there_with_what_it_is_said_to_hold(page: Path) -> None:
    missing = []
    for path, name in re.findall(r"`((?:moft|plugins)/[\w/.-]+)`(?:, `([\w.]+)`)?", FENCE.sub("", TEXTS[page])):
        source = ROOT / path
        if not source.exists():
            missing.append(path)
        elif name:
            text = source.read_text(encoding="utf-8")
            parts = name.split(".")
            missing += [f"{path}: {part}" for part in parts if not re.search(rf"^ *(?:def|class) {part}\b", text, re.MULTILINE)]
    assert not missing, f"{name_of(page)} names {missing}"


def test_every_config_of_the_paper_stands_on_its_page_with_its_command() -> None:
    commands = re.sub(r" \\\n +", " ", TEXTS[DOCS / "explanation" / "paper.md"])
    for config in sorted((ROOT / "configs" / "paper").rglob("*.yaml")):
        found = re.search(r"^# Run it:\s+(.+)$", config.read_text(encoding="utf-8"), re.MULTILINE)
        assert found, f"{name_of(config)} has no line '# Run it:'"
        assert f"\n$ {found[1]}\n" in commands, f"paper.md does not show what runs {name_of(config)}"


@pytest.mark.slow
def test_the_documentation_builds_without_a_warning(warm: str, tmp_path: Path, plugins: Plugins) -> None:
    pytest.importorskip("sphinx")
    plain = "html_theme=basic"  # the navigation of the theme takes longer than all the rest
    command = [warm, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "-D", plain, "-d", str(tmp_path / "trees")]
    done = subprocess.run([*command, str(DOCS), str(tmp_path / "html")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    settings = (tmp_path / "html" / "reference" / "config.html").read_text(encoding="utf-8")
    offered = {offer.component.name for kind in KINDS for offer in plugins.offers(kind)}
    assert all(name in settings for name in offered)
