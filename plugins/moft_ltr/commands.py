"""The commands of `moft data` for ranking data: get, make, convert and describe."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from moft import ConfigError, DataError, cache_folder

LabelOption = Annotated[
    list[str] | None, typer.Option("--label", metavar="NAME=COLUMN", help="A label column, counted from 1; may be repeated.")
]


class Format(StrEnum):
    """How synthetic data is written."""

    ARRAYS = "arrays"
    SVMLIGHT = "svmlight"


def add(app: typer.Typer, data: typer.Typer) -> None:
    """Adds the commands to the group `data` of the command line."""
    made = typer.Typer(no_args_is_help=True, help="Make data sets whose best front is known.")
    made.callback()(lambda: None)
    made.command("synthetic")(make_synthetic)
    data.add_typer(made, name="make")
    data.command("get")(get)
    data.command("convert")(convert)
    data.command("describe")(describe)


def get(
    name: Annotated[str, typer.Argument(help="Which: mslr-sample (86 queries of MSLR-WEB10K, 3 MB to download).")],
    out: Annotated[Path | None, typer.Option(help="Folder to make; by default in moft's cache, where its name finds it.")] = None,
) -> None:
    """Download a small real data set."""
    from moft_ltr.data import mslr_sample

    if name != mslr_sample.NAME:
        raise DataError(f"{name!r} is not known; there is {mslr_sample.NAME!r}.")
    target = out or cache_folder() / "data" / mslr_sample.NAME
    is_new = mslr_sample.fetch_mslr_sample(target)
    typer.echo(f"{target}: {'fetched' if is_new else 'is there already, its content is as it should be'}.")
    typer.echo(mslr_sample.NOTICE)


def make_synthetic(
    out: Annotated[Path, typer.Argument(help="Folder to make.")],
    lists: Annotated[int, typer.Option(help="Training lists; a third as many each for validation and test.")] = 1500,
    items: Annotated[int, typer.Option(help="Mean length of a list.")] = 40,
    features: Annotated[int, typer.Option(help="Feature columns; the labels follow them.")] = 32,
    objectives: Annotated[int, typer.Option(help="How many objectives.")] = 2,
    conflict: Annotated[
        float | None, typer.Option(help="0: objectives are identical, 1: as opposed as they can be.", show_default="0.7")
    ] = None,
    noise: Annotated[
        float, typer.Option(help="Standard deviation of noise on objectives of unit variance, before grading.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="Of everything; the same seed makes the same data.")] = 0,
    form: Annotated[Format, typer.Option("--format", help="Converted folders, or text.")] = Format.ARRAYS,
) -> None:
    """Make train, validation and test data whose labels are known functions of the features."""
    from moft_ltr.data import synthetic

    wanted = synthetic.Synthetic(lists, items, features, objectives, conflict, noise, seed)
    known = synthetic.make_synthetic(out, wanted, as_text=form is Format.SVMLIGHT)
    names = ", ".join(f"objective-{j + 1}={features + j + 1}" for j in range(objectives))
    typer.echo(f"{out}: train, vali and test, {features} features; label columns: {names}.")
    if known is None:
        typer.echo("With noise no front is known, so there is no known_front.json.")
    else:
        typer.echo(f"{out / 'known_front.json'}: what linear scalarisation can reach on test at {len(known.weights)} weights.")


def convert(
    file: Annotated[Path, typer.Argument(help="An svmlight file with qid.")],
    out: Annotated[Path, typer.Argument(help="Folder to make.")],
    label: LabelOption = None,
) -> None:
    """Convert an svmlight file to arrays that open at once."""
    from moft_ltr.data import svmlight
    from moft_ltr.data.dataset import open_dataset

    labels = _columns(label)
    if out.exists():
        raise DataError(f"{out}: exists already; choose another place or remove it.")
    svmlight.convert(file, out, labels=labels)
    data = open_dataset(out, out)
    typer.echo(f"{out}: {len(data):,} lists, {len(data.relevance):,} items, {data.columns} columns.")


def describe(
    path: Annotated[
        str, typer.Argument(help="An svmlight file, a converted folder, a folder of splits, or a fetched set's name.")
    ],
    label: LabelOption = None,
) -> None:
    """Show sizes, labels, and how much objectives agree."""
    from rich.console import Console

    from moft_ltr.data import describe as describing
    from moft_ltr.data.dataset import find_data

    labels = _columns(label)
    cache = cache_folder()
    splits = describing.named_splits(find_data(path, cache), cache)
    Console(highlight=False).print(describing.describe(splits, labels))


def _columns(texts: list[str] | None) -> dict[str, int]:
    """Columns by name, from texts of the form NAME=COLUMN."""
    labels: dict[str, int] = {}
    for text in texts or []:
        name, _, column = text.rpartition("=")
        if not name or not column.isascii() or not column.isdigit():
            raise ConfigError(f"--label {text!r} is not of the form NAME=COLUMN, as in clicks=134.")
        if name in labels:
            raise ConfigError(f"--label {name!r} is given twice.")
        labels[name] = int(column)
    return labels
