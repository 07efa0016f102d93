"""`moft new`: writes a config, an example or a plugin package to start from, each of which already works."""

from __future__ import annotations

import importlib.util
import keyword
import re
from pathlib import Path
from typing import Annotated

import typer

from moft.cli.command_group import command_group
from moft.cli.commands.new_config import config
from moft.cli.commands.new_example import example
from moft.cli.plugin_commands import plugin_command_names
from moft.errors import ConfigError, PluginError
from moft.hooks.plugin_manager import Plugins
from moft.hooks.registry import KINDS, SINGULAR
from moft.suggestions import listed, nearest

TEMPLATES = Path(__file__).parents[1] / "templates"
BUILT_IN = tuple(path.stem for path in Path(__file__).parent.glob("[a-z]*.py") if not path.stem.startswith("new_"))
"""The commands of moft itself, which have a file each; those of `moft new` are in further files."""
PLAIN = ("observer", "command")
"""Kinds whose hooks do the work themselves, without a component."""
WORDS = (*SINGULAR.values(), *PLAIN)
_SUMMARIES = {
    "task": "lists from NumPy files",
    "method": "one model, trained for equal weights",
    "loss": "hinge loss of every ordered pair",
    "scalarizer": "the largest weighted loss",
    "conditioner": "a scale at the last site",
    "sampler": "vertices only",
    "evaluator": "the label of the item ranked first",
    "indicator": "the best value of the objective served worst",
    "scorer": "number of questions asked",
    "tracker": "lines in a text file",
    "reader": "answers with votes from a table",
}
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


def add(app: typer.Typer) -> None:
    """Adds the commands."""
    group = command_group("Write a config, an example or a plugin package to start from.")
    group.command("config")(config)
    group.command("example")(example)
    group.command("plugin")(plugin)
    app.add_typer(group, name="new")


def plugin(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of the component, lower case with dashes; the package is called moft-NAME.")],
    kind: Annotated[str, typer.Option("--kind", help=f"Kind of plugin: {', '.join(WORDS)}.")] = "loss",
    out: Annotated[Path | None, typer.Option("--out", help="Folder to create, or an empty one; default moft-NAME.")] = None,
) -> None:
    """Write a plugin package that already installs, works and passes its tests."""
    plugins: Plugins = context.obj
    word = SINGULAR.get(kind, kind)
    if word not in WORDS:
        raise ConfigError(f"--kind {kind!r}: unknown kind of plugin.{nearest(kind, WORDS)} Kinds: {listed(WORDS)}.")
    name = name.removeprefix("moft-")
    _refuse_name(name, word, plugins)
    if word == "command" and name in {"data", *BUILT_IN, *plugin_command_names(plugins)}:
        raise PluginError(f"plugin name {name!r}: 'moft {name}' already exists.")
    folder = Path(f"moft-{name}") if out is None else out
    from moft.files.atomic_write import atomic_folder, is_free

    if not is_free(folder):
        raise ConfigError(f"{folder}: already exists; choose another --out or remove it.")
    with atomic_folder(folder) as temporary:
        for file, text in _files(name, word).items():
            path = temporary / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    typer.echo(f"Wrote {folder}. Next:")
    typer.echo(f"  pip install -e '{folder}[test]'")
    typer.echo(f"  pytest {folder}")
    typer.echo(f"  {_shown_by(name, word)}")


def _refuse_name(name: str, word: str, plugins: Plugins) -> None:
    """Checks that a plugin can have a name."""
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise ConfigError(
            f"plugin name {name!r}: must consist of lower-case letters, digits and single dashes, begin with a letter, and not "
            "be a Python keyword; for example 'my-hinge'."
        )
    kind = next((kind for kind in KINDS if SINGULAR[kind] == word), None)
    for offer in plugins.offers(kind) if kind else ():
        if offer.component.name == name:
            raise PluginError(f"plugin name {name!r}: plugin {offer.origin} already offers a {word} of this name.")
    module = f"moft_{name.replace('-', '_')}"
    taken = next((origin for origin in plugins.registered() if origin.plugin == name.replace("-", "_")), None)
    if taken is not None or importlib.util.find_spec(module) is not None:
        whose = f"plugin {taken}" if taken is not None else f"an installed package {module!r}"
        raise PluginError(f"plugin name {name!r}: {whose} already exists.")


def _files(name: str, word: str) -> dict[str, str]:
    """Each file of the package, by its path."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False
    )
    snake = name.replace("-", "_")
    values = {
        "name": name,
        "kind": word,
        "hook": next((f"moft_{kind}" for kind in KINDS if SINGULAR[kind] == word), "moft_commands"),
        "snake": snake,
        "module": f"moft_{snake}",
        "Class": "".join(part.capitalize() for part in name.split("-")),
        "shown_by": _shown_by(name, word),
        "summary": _SUMMARIES.get(word, ""),
        "is_plain": word in PLAIN,
        "article": "an" if word[0] in "aeiou" else "a",
    }
    source = f"src/moft_{snake}"
    wanted = {
        "pyproject.toml": "pyproject.toml.j2",
        "README.md": "README.md.j2",
        f"{source}/__init__.py": "init.py.j2",
        f"tests/test_{snake}.py": f"{word}_test.py.j2",
    }
    if word in PLAIN:
        wanted[f"{source}/plugin.py"] = f"{word}.py.j2"
    else:
        wanted |= {f"{source}/plugin.py": "plugin.py.j2", f"{source}/{word}.py": f"{word}.py.j2"}
    code = environment.get_template(f"{word}.py.j2").render(values)
    built = re.search(r"def __init__\(([^)]*)\)", code)
    arguments = built[1] if built else "self"
    values |= {"arguments": arguments, "has_star": "*" in arguments}
    return {path: environment.get_template(template).render(values) for path, template in wanted.items()}


def _shown_by(name: str, word: str) -> str:
    """The command that shows what the plugin adds."""
    return {"observer": "moft plugins", "command": f"moft {name}"}.get(word, f"moft plugins {word} {name}")
