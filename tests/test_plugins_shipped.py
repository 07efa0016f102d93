"""What every shipped plugin and every registered component keeps to, so that a new one is checked without a new test."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from moft.config.json_schema import component_schema, settings_of, settings_of_record
from moft.config.setting_annotations import ChoiceShape, ContainerShape, RecordShape, Shape
from moft.config.signature import Parameter, fields_of, signature_of
from moft.engine.training.trainer_settings import TrainerSettings
from moft.hooks.plugin_manager import ENTRY_POINTS, Plugins
from moft.hooks.registry import KINDS, Offer
from moft.run.run_settings import ProfileSettings, RunSettings

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
TABLE: dict[str, str] = PROJECT["project"]["entry-points"][ENTRY_POINTS]
FOLDERS = sorted(path.parent.name for path in (ROOT / "plugins").glob("*/plugin.py"))
SLOW = (
    "torch",
    "numpy",
    "scipy",
    "sklearn",
    "moocore",
    "transformers",
    "peft",
    "accelerate",
    "lightgbm",
    "matplotlib",
    "onnxruntime",
    "datasets",
)
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")

LOADED = Plugins()
LOADED.load()
OFFERS = [pytest.param(kind, offer, id=f"{kind}-{offer.component.name}") for kind in KINDS for offer in LOADED.offers(kind)]
RECORDS = (RunSettings, ProfileSettings, TrainerSettings)


def _lists_of_plugins() -> Iterator[tuple[list[str], str]]:
    """Every list in pyproject.toml that has to name all plugins, with where it stands."""
    yield PROJECT["tool"]["ruff"]["lint"]["isort"]["known-first-party"], "ruff's known-first-party"
    yield PROJECT["tool"]["importlinter"]["root_packages"], "import-linter's root_packages"
    for contract in PROJECT["tool"]["importlinter"]["contracts"]:
        for key in ("modules", "source_modules", "forbidden_modules"):
            if any(name in FOLDERS for name in contract.get(key, ())):
                yield contract[key], f"import-linter's contract {contract['name']!r}, {key}"


def test_every_folder_of_plugins_is_an_entry_point() -> None:
    packages = sorted(value.partition(".")[0] for value in TABLE.values())
    assert packages == FOLDERS, "[project.entry-points.moft] in pyproject.toml and the folders of plugins/ differ"
    for name, value in TABLE.items():
        assert re.fullmatch(rf"moft_{name}\.plugin(:\w+)?", value), f"entry point {name} = {value!r} must be 'moft_{name}.plugin'"


def test_the_installed_entry_points_are_those_of_the_project() -> None:
    installed = {
        entry.name: entry.value for entry in entry_points(group=ENTRY_POINTS) if entry.dist and entry.dist.name == "moft"
    }
    assert installed == TABLE, "the installed moft is of another pyproject.toml; reinstall it: make venv, or pip install -e ."


@pytest.mark.parametrize(("names", "where"), sorted(_lists_of_plugins(), key=lambda pair: pair[1]))
def test_the_lists_of_plugins_in_pyproject_have_them_all(names: list[str], where: str) -> None:
    assert [name for name in names if name != "moft"] == FOLDERS, (
        f"pyproject.toml, {where}: give every folder of plugins/, sorted"
    )


def test_the_import_contracts_know_every_part_of_the_engine() -> None:
    parts = {f"moft.{path.stem}" for path in (ROOT / "moft").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    parts.discard("moft.__init__")
    contracts = PROJECT["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    assert set(layers) == parts, "pyproject.toml: the layers of import-linter and the parts of moft/ differ"
    forbidden = next(found for contract in contracts if "moft.engine" in (found := contract.get("forbidden_modules", ())))
    assert set(forbidden) == parts - {"moft.api", "moft.testing"}, "pyproject.toml: what plugins may not import is out of date"


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_plugin_file_imports_nothing_slow(folder: str) -> None:
    path = ROOT / "plugins" / folder / "plugin.py"
    allowed = {"moft", *sys.stdlib_module_names}
    found = set(_imported_at_once(ast.parse(path.read_text(encoding="utf-8")).body))
    assert found <= allowed, f"{path.relative_to(ROOT)} imports {found - allowed}; import them in the functions that use them"


@pytest.mark.parametrize(
    "program",
    [
        pytest.param("import moft", id="import moft"),
        pytest.param("from moft.cli.app import main; assert main(['--help']) == 0", id="moft --help"),
        pytest.param("from moft.cli.app import main; assert main(['plugins']) == 0", id="moft plugins"),
        pytest.param("from moft.cli.app import main; assert main(['train', '--help']) == 0", id="moft train --help"),
    ],
)
def test_light_commands_import_nothing_slow(program: str) -> None:
    told = "import sys; print('imported:', *sorted(set(sys.argv[1:]) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", f"{program}\n{told}", *SLOW], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "imported:", "these are slow; import them where they are used"


def test_nothing_shipped_is_broken_or_clashes(plugins: Plugins) -> None:
    assert [str(clash) for clash in plugins.clashes()] == []
    assert [f"{broken.origin}: {broken.reason}" for broken in plugins.broken()] == []


@pytest.mark.parametrize(("kind", "offer"), OFFERS)
def test_a_component_is_offered_well(kind: str, offer: Offer) -> None:
    component = offer.component
    assert NAME.fullmatch(component.name), f"{component.name!r} must be lower case with dashes"
    assert component.summary, f"{kind} {component.name}: 'moft plugins' shows a summary; it has none"
    assert "\n" not in component.summary
    assert isinstance(component.target, str), "a target is text, so that listing plugins imports nothing"
    component.load()


@pytest.mark.parametrize(("kind", "offer"), OFFERS)
def test_a_component_and_all_its_settings_are_documented(kind: str, offer: Offer, plugins: Plugins) -> None:
    target: Callable[..., Any] = offer.component.load()
    assert (target.__doc__ or "").strip(), f"{target.__module__}.{target.__qualname__} has no docstring"
    bare = [setting.name for setting in settings_of(target) if not setting.help]
    assert bare == [], f"{target.__module__}.{target.__qualname__} says nothing of these settings under Args"
    for record in set(_records(signature_of(target, offer.component.name).settings)):
        assert _undocumented(record) == [], f"{record.__module__}.{record.__qualname__} says nothing of these fields under Args"
    assert component_schema(kind, offer.component.name, plugins)["description"] == offer.component.summary


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_every_setting_of_the_engine_is_documented(record: type[Any]) -> None:
    assert _undocumented(record) == [], f"{record.__module__}.{record.__qualname__} says nothing of these fields under Args"


def test_a_setting_without_a_word_is_found() -> None:
    def target(*, known: int = 1, unknown: int = 2) -> None:
        """Does nothing.

        Args:
            known: a number.
        """

    assert [setting.name for setting in settings_of(target) if not setting.help] == ["unknown"]


def _undocumented(record: type[Any]) -> list[str]:
    """The settings of a record that its docstring says nothing of; `name` only selects the record."""
    return [setting.name for setting in settings_of_record(record) if not setting.help and setting.name != "name"]


def _records(parameters: tuple[Parameter, ...]) -> Iterator[type[Any]]:
    """Every record that can stand in these settings, and in the records themselves."""

    def within(shape: Shape) -> Iterator[type[Any]]:
        match shape:
            case RecordShape(record):
                yield record
                yield from _records(fields_of(record))
            case ContainerShape(item):
                yield from within(item)
            case ChoiceShape(members):
                for member in members:
                    yield from within(member)

    for parameter in parameters:
        yield from within(parameter.shape)


def _imported_at_once(body: list[ast.stmt]) -> Iterator[str]:
    """The packages that importing a module imports: not those inside functions, nor those for type checkers only."""
    for node in body:
        match node:
            case ast.Import(names):
                yield from (_allowed_name(alias.name) for alias in names)
            case ast.ImportFrom(module):
                yield _allowed_name(module or "")
            case ast.If(test) if "TYPE_CHECKING" in ast.unparse(test):
                yield from _imported_at_once(node.orelse)
            case ast.If() | ast.Try() | ast.With() | ast.ClassDef():
                yield from _imported_at_once([inner for inner in ast.iter_child_nodes(node) if isinstance(inner, ast.stmt)])


def _allowed_name(module: str) -> str:
    """The package of a module; of moft the whole name, for only `moft` itself is light."""
    return module if module.startswith("moft") else module.partition(".")[0]
