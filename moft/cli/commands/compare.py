"""`moft compare`: a table and a picture of several runs, with a significance test for each pair."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from moft.errors import ConfigError, RunError
from moft.interrupts import NOTHING, when_interrupted

FEWEST_SAMPLES = 100
MOST_SAMPLES = 1_000_000
COMPARISONS = Path("comparisons")
FEW = 2
"""Entries up to which the verdicts in words are all there are, and no matrix is printed."""


def add(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("compare")(compare)


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, or folders written by moft profile.")],
    over_seeds: Annotated[bool, typer.Option("--over-seeds", help="Average runs that differ only in their seed.")] = False,
    pool: Annotated[
        str | None,
        typer.Option("--pool", metavar="SETTING", help="Join the lists of runs that differ only in this setting: task.fold."),
    ] = None,
    samples: Annotated[int, typer.Option("--bootstrap-samples", help="Number of bootstrap samples, 100 to 1,000,000.")] = 1000,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder to create, or an empty one; default comparisons/ and the names of the runs."),
    ] = None,
) -> None:
    """Compare runs: a table, a significance test for each pair, a picture; at the same main value, if they have several dials."""
    if samples < FEWEST_SAMPLES:
        raise ConfigError(f"--bootstrap-samples {samples}: must be at least {FEWEST_SAMPLES}; fewer give unreliable intervals.")
    if samples > MOST_SAMPLES:
        raise ConfigError(f"--bootstrap-samples {samples}: must be at most {MOST_SAMPLES:,}.")
    from moft.files.atomic_write import atomic_folder, atomic_write, is_free

    if out is not None and not is_free(out):
        raise RunError(f"{out}: already exists; choose another --out or remove it.")
    from moft.cli.table_output import print_line, print_table, split_to_terminal
    from moft.files.json import write_json
    from moft.run.comparison.comparison_figure import comparison_figure
    from moft.run.comparison.comparison_record import comparison_record
    from moft.run.comparison.comparison_table import comparison_table, run_rows, verdict_rows
    from moft.run.comparison.curve_figure import curve_figure
    from moft.run.comparison.seeds_and_folds import entries_of
    from moft.run.comparison.verdict_matrix import curve_rows, legend, matrix_rows
    from moft.run.report.figures.figure_style import png
    from moft.run.report.front_record import nouns_of
    from moft.run.report.read_front import read_measured

    with when_interrupted(lambda: NOTHING):
        entries = entries_of([read_measured(path) for path in runs], over_seeds=over_seeds, pool=pool)
        record = comparison_record(entries, samples=samples)
        picture, has_curves = png(comparison_figure(record)), "curves" in record
        curves = png(curve_figure(record)) if has_curves else b""
        target = out if out is not None else _free(COMPARISONS / _joined([entry.name for entry in entries]))
        with atomic_folder(target) as folder:
            write_json(folder / "comparison.json", record)
            atomic_write(folder / "comparison.csv", comparison_table(record).encode())
            atomic_write(folder / "comparison.png", picture)
            if has_curves:
                atomic_write(folder / "curves.png", curves)
    for header, *rows in split_to_terminal(run_rows(record)):
        print_table(header, rows)
    lists = nouns_of(record).count_lists(record["lists"])
    typer.echo()
    print_line(f"{record['metric']}; {record['split']}, {lists}, {len(record['weights'])} points")
    print_line(f"Intervals: {record['intervals']}")
    if record["verdicts"]:
        typer.echo()
        print_line(record["adjustment"])
        if len(entries) > FEW:
            typer.echo()
            for header, *rows in split_to_terminal(matrix_rows(record)):
                print_table(header, rows)
            print_line(f"Signs: {legend(record)}")
        header, *rows = verdict_rows(record)
        typer.echo()
        print_table(header, rows)
    if has_curves:
        header, *rows = curve_rows(record)
        typer.echo()
        print_line(record["curves"]["adjustment"])
        typer.echo()
        print_table(header, rows)
    if record["notes"]:
        typer.echo()
        for note in record["notes"]:
            print_line(f"Note: {note}")
    typer.echo()
    print_line(f"Table: {target / 'comparison.csv'}")
    print_line(f"Picture: {target / 'comparison.png'}")
    if has_curves:
        print_line(f"Curves: {target / 'curves.png'}")


def _joined(names: list[str]) -> str:
    """A folder name from the names of the compared runs."""
    short = names if len(names) <= 3 else [names[0], f"{len(names) - 1}-others"]
    text = "-vs-".join(short)
    return "".join(letter if letter.isalnum() or letter in "-_.=" else "-" for letter in text)[:100].strip("-.")


def _free(path: Path) -> Path:
    """The path, with a number appended if it exists."""
    candidate, count = path, 1
    while candidate.exists():
        count += 1
        candidate = path.with_name(f"{path.name}-{count}")
    return candidate
