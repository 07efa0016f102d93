"""The commands of `moft data` for ranking data: get, make, convert and describe."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from moft import ConfigError, DataError, cache_folder

LabelOption = Annotated[
    list[str] | None,
    typer.Option(
        "--label", metavar="NAME=COLUMN", help="A label column, counted from 1, or by name in a table; may be repeated."
    ),
]
QueryOption = Annotated[
    str | None, typer.Option("--query", help="Column of query ids in a table. Default: query, query_id or qid.")
]
ItemOption = Annotated[
    str | None, typer.Option("--item", help="Column of document ids. Default: item, item_id, doc_id or document_id, if any.")
]
CategoricalOption = Annotated[
    list[str] | None, typer.Option("--categorical", help="A column of categories in a table; may be repeated.")
]
ExcludeOption = Annotated[list[str] | None, typer.Option("--exclude", help="A column that is not read; may be repeated.")]

NOTHING = "Nothing was kept."


class Format(StrEnum):
    """How synthetic data is written."""

    ARRAYS = "arrays"
    SVMLIGHT = "svmlight"


def add(app: typer.Typer, data: typer.Typer) -> None:
    """Adds the commands to the group `data` of the command line."""
    make = typer.Typer(no_args_is_help=True, help="Make datasets whose best front is known.")
    make.callback()(lambda: None)
    make.command("synthetic")(make_synthetic)
    data.add_typer(make, name="make")
    data.command("get")(get)
    data.command("convert")(convert)
    data.command("describe")(describe)


def get(
    name: Annotated[str, typer.Argument(help="Dataset: mslr-sample (84 queries of MSLR-WEB10K, 3 MB to download).")],
    out: Annotated[
        Path | None, typer.Option(help="Folder to create. Default: in moft's cache, where configs find it by its name.")
    ] = None,
) -> None:
    """Download a small real dataset."""
    from moft.api import when_interrupted
    from moft_ltr.data.example_data import mslr_sample

    if name != mslr_sample.NAME:
        raise DataError(f"dataset {name!r} is unknown; available: {mslr_sample.NAME}.")
    target = out or cache_folder() / "data" / mslr_sample.NAME
    with when_interrupted(lambda: NOTHING):
        is_new = mslr_sample.fetch_mslr_sample(target)
    typer.echo(f"{target}: {'downloaded' if is_new else 'already exists, and its content is intact'}.")
    typer.echo(mslr_sample.NOTICE)


def make_synthetic(
    out: Annotated[Path, typer.Argument(help="Folder to create.")],
    lists: Annotated[int, typer.Option(help="Training queries; validation and test get a third as many each.")] = 1500,
    items: Annotated[int, typer.Option(help="Mean number of documents of a query.")] = 40,
    features: Annotated[int, typer.Option(help="Feature columns; the labels follow them.")] = 32,
    objectives: Annotated[int, typer.Option(help="Number of objectives.")] = 2,
    conflict: Annotated[
        float | None, typer.Option(help="0: objectives are identical, 1: as opposed as possible.", show_default="0.7")
    ] = None,
    noise: Annotated[
        float, typer.Option(help="Standard deviation of the noise on the objectives (of unit variance), before grading.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="Random seed; the same seed makes the same data.")] = 0,
    form: Annotated[Format, typer.Option("--format", help="Converted folders, or svmlight text.")] = Format.ARRAYS,
) -> None:
    """Make training, validation and test data whose labels are known functions of the features."""
    from moft.api import when_interrupted
    from moft_ltr.data.example_data import synthetic

    settings = synthetic.Synthetic(lists, items, features, objectives, conflict, noise, seed)
    with when_interrupted(lambda: NOTHING):
        known = synthetic.make_synthetic(out, settings, as_text=form is Format.SVMLIGHT)
    names = ", ".join(f"objective-{j + 1}={features + j + 1}" for j in range(objectives))
    typer.echo(f"{out}: train, vali and test, {features} features; label columns: {names}.")
    if known is None:
        typer.echo("No known_front.json: with noise, the best front is not known.")
    else:
        typer.echo(
            f"{out / 'known_front.json'}: the best that linear scalarisation reaches on test, at {len(known.weights)} weightings."
        )


def convert(
    file: Annotated[Path, typer.Argument(help="An svmlight file, or a table: Parquet, Arrow, CSV, TSV, or a folder of these.")],
    out: Annotated[Path, typer.Argument(help="Folder to create.")],
    label: LabelOption = None,
    query: QueryOption = None,
    item: ItemOption = None,
    categorical: CategoricalOption = None,
    exclude: ExcludeOption = None,
    split: Annotated[str | None, typer.Option("--split", help="Column of the split of each query in a table.")] = None,
    like: Annotated[
        Path | None, typer.Option("--like", help="Converted folder of a table whose columns and codes of categories to take.")
    ] = None,
) -> None:
    """Convert an svmlight file or a table to arrays that open instantly."""
    from moft.api import when_interrupted
    from moft_ltr.data.dataset import open_dataset
    from moft_ltr.data.readers import svmlight
    from moft_ltr.data.readers.table_source import is_table
    from moft_ltr.data.write_data import write_data

    labels = _columns(label)
    if out.exists():
        raise DataError(f"{out}: already exists; choose another folder or remove it.")
    with when_interrupted(lambda: NOTHING):
        if is_table(file):
            write_data(
                out,
                file,
                query=query,
                item=item,
                labels={name: str(column) for name, column in labels.items()},
                categorical=categorical or (),
                exclude=exclude or (),
                split=split,
                like=like,
            )
        else:
            given = ("query", query), ("item", item), ("categorical", categorical), ("exclude", exclude), ("split", split)
            for option in (option for option, value in (*given, ("like", like)) if value):
                raise ConfigError(f"--{option} is for tables; {file} is read as svmlight text.")
            svmlight.convert(file, out, labels=_numbers(labels))
    data = open_dataset(out, out)
    typer.echo(f"{out}: {len(data):,} queries, {len(data.relevance):,} documents, {data.columns} columns.")


def describe(
    context: typer.Context,
    path: Annotated[
        str,
        typer.Argument(
            help="An svmlight file, a table, a converted folder, a folder of splits, the name of a downloaded dataset, or "
            "preference data for language models; or a config of a language model."
        ),
    ],
    label: LabelOption = None,
    query: QueryOption = None,
    item: ItemOption = None,
    categorical: CategoricalOption = None,
    exclude: ExcludeOption = None,
    base: Annotated[
        str | None,
        typer.Option("--base", help="A column of base scores, or a LightGBM model file, to measure beside the labels."),
    ] = None,
) -> None:
    """Show sizes, labels, how much the objectives agree, and what that says before training."""
    from rich.console import Console

    console = Console(highlight=False, markup=False, emoji=False)
    given = {"label": label, "query": query, "item": item, "categorical": categorical, "exclude": exclude, "base": base}
    for hook in context.obj.implementations("moft_describe_data"):
        described = hook(path=path, plugins=context.obj)
        if described is None:
            continue
        for option in (option for option, value in given.items() if value):
            raise ConfigError(f"--{option} is for data of rankers; plugin {hook.origin.plugin} describes {path}.")
        for part in described:
            console.print(part)
        return
    from moft_ltr.data import statistics
    from moft_ltr.data.dataset import find_data
    from moft_ltr.data.readers.table_columns import TableColumns
    from moft_ltr.label_conflicts import conflict_page

    labels = _columns(label)
    cache = cache_folder()
    columns = TableColumns(query, item, None, tuple(categorical or ()), tuple(exclude or ()))
    splits = statistics.open_splits_at(find_data(path, cache), cache, columns)
    first = next(iter(splits.values()))
    has_names = bool(first.facts.names or first.labels)
    named = labels if has_names else _numbers(labels)
    chosen = statistics.chosen_labels(splits, named)
    if base is not None and not chosen:
        raise ConfigError("--base needs --label NAME=COLUMN: the data names no objectives that the base could be measured on.")
    page = conflict_page(splits, chosen, base, context.obj) if chosen else []
    console.print(statistics.describe(splits, named))
    for part in page:
        console.print(part)


def _columns(texts: list[str] | None) -> dict[str, int | str]:
    """Columns by name, from options NAME=COLUMN; a column of digits is a number."""
    labels: dict[str, int | str] = {}
    for text in texts or []:
        name, _, column = text.rpartition("=")
        if not name or not column or (column.isdecimal() and not re.fullmatch("[0-9]{1,9}", column)):
            raise ConfigError(f"--label {text!r}: must be NAME=COLUMN, such as clicks=134.")
        if name in labels:
            raise ConfigError(f"--label {name!r}: given twice; name each label once.")
        labels[name] = int(column) if re.fullmatch("[0-9]{1,9}", column) else column
    return labels


def _numbers(labels: Mapping[str, int | str]) -> dict[str, int]:
    """The columns by name, where the data has no names of columns."""
    for name, column in labels.items():
        if isinstance(column, str):
            raise ConfigError(f"--label '{name}={column}': must be NAME=COLUMN, such as clicks=134.")
    return {name: int(column) for name, column in labels.items()}
