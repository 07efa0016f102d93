"""`moft new example`: lists the example configs, and copies them to where pages and their own comments name them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Annotated

import typer

from moft.cli.table_output import print_table
from moft.errors import ConfigError
from moft.files.example_configs import example_files, example_names, example_text, examples_folder
from moft.suggestions import listed, nearest


def example(
    name: Annotated[
        str | None, typer.Argument(help="An example such as ltr/mslr-sample, or a folder of them.", show_default="list all")
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder to copy it to.")] = Path("configs"),
) -> None:
    """List the example configs, or copy one of them here."""
    if name is None:
        print_table(("name", "what it shows"), [(known, _summary(known)) for known in example_names()])
        return
    chosen = _chosen(name)
    files = dict.fromkeys(file for example in chosen for file in example_files(example))
    contents = {out / file: (examples_folder() / file).read_bytes() for file in files}
    for path, content in contents.items():
        if path.exists() and (not path.is_file() or path.read_bytes() != content):
            raise ConfigError(f"{path}: already exists and differs from the example; choose another --out or remove it.")
    from moft.files.atomic_write import atomic_write

    for path, content in contents.items():
        if path.exists():
            typer.echo(f"{path}: already exists, and is the example.")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            atomic_write(path, content)
            typer.echo(f"Wrote {path}.")
    if len(chosen) == 1:
        for line in _commands(chosen[0]):
            typer.echo(re.sub(r"configs/(\S+)", lambda path: shlex.quote((out / path[1]).as_posix()), line))


def _chosen(text: str) -> list[str]:
    """The examples that a user means: one by its path or its last part, or all of a folder.

    Raises:
        ConfigError: there is none.
    """
    names = example_names()
    wanted = text.removeprefix("configs/").removesuffix(".yaml").strip("/")
    found = [name for name in names if name == wanted or name.startswith(f"{wanted}/")]
    found = found or [name for name in names if name.rpartition("/")[2] == wanted]
    if not found:
        hint = nearest(wanted, [*names, *(name.rpartition("/")[2] for name in names)])
        raise ConfigError(f"no example is called {text!r}.{hint} Examples: {listed(names)}.")
    return found


def _summary(name: str) -> str:
    """What an example shows: its first line."""
    return example_text(name).partition("\n")[0].removeprefix("# ")


def _commands(name: str) -> list[str]:
    """The lines of an example that say how to get its data and how to run it."""
    return re.findall(r"^# ((?:Model|Data|Run it): .+)$", example_text(name), re.MULTILINE)
