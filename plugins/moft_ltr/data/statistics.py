"""The tables of `moft data describe`: sizes, labels, and how much the objectives agree."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Group, RenderableType
from rich.table import Table

from moft import DataError
from moft.api import agreement_table, label_agreement, report_table
from moft_ltr.data.columns import column_number
from moft_ltr.data.converted.dataset_folder import META, Integers, check_labels
from moft_ltr.data.dataset import SPELLINGS, Dataset, data_layout, open_dataset, split_candidates, split_file
from moft_ltr.data.readers.table_columns import PLAIN, TableColumns
from moft_ltr.data.splits import is_one_dataset

MAIN = "relevance"
MAX_QUERIES = 500
"""Agreement is measured on at most this many queries, evenly spaced over the data."""

MAX_DOCUMENTS = 1000
"""Agreement within a longer query is measured on this many of its documents, evenly spaced."""

CONFLICT = -0.1
"""Objectives whose tau-b is below this are reported as conflicting."""

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LabelFacts:
    """Statistics of one label over a dataset.

    Args:
        name: of the label.
        nonzero: share of documents where it is not zero.
        low: smallest value.
        median: over all documents.
        high: largest value.
        zero: number of queries in which it is zero for all documents.
        constant: number of queries in which it is the same for all documents, zero or not, or missing.
        missing: share of documents where it is missing; the other numbers leave these out.
    """

    name: str
    nonzero: float
    low: float
    median: float
    high: float
    zero: int
    constant: int
    missing: float = 0.0


def open_splits_at(path: Path, cache: Path, columns: TableColumns = PLAIN) -> dict[str, Dataset]:
    """The datasets at a path by name: a single one under its file name, or those of a folder of splits.

    Args:
        path: of the data.
        cache: for converted files.
        columns: what the columns of tables are.

    Raises:
        DataError: there is neither, or one of them has an error.
    """
    if is_one_dataset(path):
        return {path.stem: open_dataset(path, cache, columns)}
    found: dict[str, Dataset] = {}
    for split in SPELLINGS:
        if split_candidates(path, split):
            first = next(iter(found.values()), None)
            layout = None if first is None else data_layout(first, first.facts.names)
            found[split] = open_dataset(split_file(path, split), cache, columns, layout)
    if not found:
        raise DataError(
            f"{path}: is neither a converted dataset (it has no {META}) nor a folder of splits (train.txt, train/ and so on)."
        )
    return found


def describe(splits: Mapping[str, Dataset], labels: Mapping[str, int | str] | None = None) -> RenderableType:
    """Tables of sizes, labels and agreement, and a sentence for each pair of conflicting objectives.

    Args:
        splits: datasets by name.
        labels: columns, by number from 1 or by name, by the name of the label; None for the labels that the data names itself.

    Raises:
        DataError: a label is not a column of the data.
    """
    chosen = chosen_labels(splits, labels)
    values = {name: label_values(data, chosen) for name, data in splits.items()}
    has_main = all(data.facts.has_relevance for data in splits.values())
    names = [*([MAIN] if has_main else []), *chosen]
    values = {name: found if has_main else found[:, 1:] for name, found in values.items()}
    parts: list[RenderableType] = [_sizes(splits), *(_labels(name, splits[name], values[name], names) for name in splits)]
    if chosen:
        parts += _agreement(splits, values, names)
    else:
        parts.append("The data names no objectives. Give their columns with --label NAME=COLUMN to see how much they agree.")
    return Group(*parts)


def chosen_labels(splits: Mapping[str, Dataset], labels: Mapping[str, int | str] | None = None) -> dict[str, int]:
    """The column of each label, from 1; the arguments are those of `describe`.

    Raises:
        DataError: a label is not a column of the data.
    """
    first = next(iter(splits.values()))
    chosen = dict(first.labels)
    if labels:
        chosen = {
            name: column_number(first, column, f"--label {name}") if isinstance(column, str) else column
            for name, column in labels.items()
        }
    for data in splits.values():
        check_labels(data.source, chosen, data.columns)
    return chosen


def label_values(data: Dataset, labels: Mapping[str, int]) -> Values:
    """`[items, 1 + labels]`: relevance, then each label."""
    columns = [data.relevance, *(data.features[:, column - 1] for column in labels.values())]
    return np.column_stack(columns).astype(np.float64)


def label_facts(name: str, values: Values, offsets: Integers) -> LabelFacts:
    """Statistics of one label, `[items]`, NaN where it is missing; all NaN where it is missing everywhere."""
    low, high = np.fmin.reduceat(values, offsets[:-1]), np.fmax.reduceat(values, offsets[:-1])
    constant = ~(high > low)
    known = values[~np.isnan(values)]
    has_any = len(known) > 0
    return LabelFacts(
        name,
        nonzero=float((known != 0).mean()) if has_any else math.nan,
        low=float(known.min()) if has_any else math.nan,
        median=float(np.median(known)) if has_any else math.nan,
        high=float(known.max()) if has_any else math.nan,
        zero=int((constant & (low == 0)).sum()),
        constant=int(constant.sum()),
        missing=1 - len(known) / len(values),
    )


def agreement(values: Values, offsets: Integers, chosen: Integers) -> Values:
    """`[chosen, m, m]`, Kendall's tau-b of each pair of labels within each chosen query; NaN where one of them is constant."""
    found = np.empty((len(chosen), values.shape[1], values.shape[1]))
    for row, number in enumerate(chosen):
        items = values[offsets[number] : offsets[number + 1]]
        found[row], _ = label_agreement(items[evenly_spaced(len(items), MAX_DOCUMENTS)])
    return found


def evenly_spaced(count: int, limit: int) -> Integers:
    """The numbers from 0 to `count - 1`, or `limit` of them, evenly spaced."""
    return np.arange(count) if count <= limit else np.linspace(0, count - 1, limit).astype(np.int64)


def _sizes(splits: Mapping[str, Dataset]) -> Table:
    caption = "min, median, mean, max: number of documents of a query"
    table = report_table("Sizes", "split", ("queries", "documents", "min", "median", "mean", "max", "columns"), caption)
    for split, data in splits.items():
        lengths = np.diff(data.offsets)
        sizes = (lengths.min(), np.median(lengths), lengths.mean(), lengths.max())
        row = [f"{len(data):,}", f"{len(data.relevance):,}", *(f"{size:.4g}" for size in sizes), str(data.columns)]
        table.add_row(split, *row)
    return table


def _labels(split: str, data: Dataset, values: Values, names: list[str]) -> Table:
    caption = "all zero, constant: number of queries in which the label is; constant includes all zero"
    is_missing = bool(np.isnan(values).any())
    columns = ("not zero", "min", "median", "max", "all zero", "constant", *(["missing"] if is_missing else []))
    table = report_table(f"Labels of {split}", "label", columns, caption)
    for index, name in enumerate(names):
        facts = label_facts(name, values[:, index], data.offsets)
        numbers = (
            f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.4g}" for number in (facts.low, facts.median, facts.high)
        )
        missing = [f"{facts.missing:.1%}"] if is_missing else []
        table.add_row(name, f"{facts.nonzero:.1%}", *numbers, f"{facts.zero:,}", f"{facts.constant:,}", *missing)
    return table


def _agreement(splits: Mapping[str, Dataset], values: Mapping[str, Values], names: list[str]) -> list[RenderableType]:
    """The table of mean agreement over all splits, and sentences on conflicts."""
    total = sum(len(data) for data in splits.values())
    chosen, begin, found = evenly_spaced(total, MAX_QUERIES), 0, []
    for split, data in splits.items():
        in_split = chosen[(chosen >= begin) & (chosen < begin + len(data))] - begin
        found.append(agreement(values[split], data.offsets, in_split))
        begin += len(data)
    tau = np.concatenate(found)
    counts = (~np.isnan(tau)).sum(axis=0)
    mean = np.nansum(tau, axis=0) / np.maximum(counts, 1)
    of = f"all {total:,} queries" if len(chosen) == total else f"{len(chosen)} of {total:,} queries, evenly spaced"
    caption = f"1: same order, -1: opposite order; mean over {of}, without those where either label is constant"
    table = agreement_table("Agreement (Kendall's tau-b)", names, mean, counts, caption)
    sentences = list(_sentences(names, mean, counts))
    return [table, *(sentences or [f"No pair conflicts strongly (tau-b below {CONFLICT})."])]


def _sentences(names: list[str], mean: Values, counts: npt.NDArray[np.int64]) -> Iterator[str]:
    for row in range(1, len(names)):
        for other in range(row):
            if counts[row, other] and mean[row, other] < CONFLICT:
                share = (1 - mean[row, other]) / 2
                yield (
                    f"{names[other]} and {names[row]} conflict: they order about {share:.0%} of the pairs of documents "
                    f"in opposite ways, ties left out (tau-b {mean[row, other]:.2f})."
                )
