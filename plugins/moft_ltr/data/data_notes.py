"""Notes on data that make results look too good: features that give a label away, and queries in more than one split."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, count

import numpy as np
from numpy.typing import NDArray

from moft_ltr.data.columns import column_number
from moft_ltr.data.content_hashes import Hashes, document_hashes, query_hashes
from moft_ltr.data.dataset import Dataset
from moft_ltr.data.features.feature_scaling import feature_blocks, read_column
from moft_ltr.data.label_transforms import MainLabel
from moft_ltr.data.splits import QuerySubset
from moft_ltr.data.statistics import evenly_spaced

SUSPICIOUS = 0.9
"""A feature whose Goodman-Kruskal gamma with a label is beyond this, either way, may be a label itself.

Between clicks and revenue or dwell time it is 0.91 to 1; of the 131 features of MSLR with any label, it is at most 0.61.
"""

QUERIES, DOCUMENTS = 60, 40
"""How many training queries are looked at, and how many documents of each, evenly spaced."""

ENOUGH = 8
"""Fewest queries with pairs that a feature and a label both tell apart, for a note."""

MOST_VALUES = 200_000_000
"""Signs of differences that are looked at; with more features, fewer queries are, or none."""

BLOCK = 4096
"""Documents that are hashed at once."""

FEWEST_COPIES = 3
"""Documents that a query shares at least with one of another split, if it is to be a part of it."""

MANY_COPIES = 0.5
"""Share of documents in another split that is noted. With as many kinds of documents as documents, chance gives 0.37 (1/e)."""

SHOWN = 5
"""Columns that a note names."""


def leak_notes(
    part: QuerySubset, inputs: NDArray[np.int64], labels: Mapping[str, NDArray[np.float32]], named: Mapping[str, int]
) -> Iterator[str]:
    """Sentences on inputs that may be labels.

    Args:
        part: training queries.
        inputs: `[features]`, columns from 0.
        labels: `[items]` of the queries of `part`, by objective.
        named: column, from 1, of each label that the data names itself.
    """
    for name, column in named.items():
        if column - 1 in inputs:
            what = part.data.column_name(column)
            yield f"C{what[1:]} is a feature, but the data says that it is the label {name!r}. Leave it out of task.features."
    for name, values in labels.items():
        gamma, queries = _gamma(part, inputs, values)
        found = np.flatnonzero((np.abs(gamma) >= SUSPICIOUS) & (queries >= ENOUGH))
        if len(found):
            names = part.data.facts.names or range(1, part.data.columns + 1)
            columns = [names[int(inputs[feature])] for feature in found]
            many = len(columns) > 1
            shown = ", ".join(map(str, columns[:SHOWN])) + (f" and {len(columns) - SHOWN} more" if len(columns) > SHOWN else "")
            yield (
                f"{name}: column{'s' if many else ''} {shown} among the features order{'' if many else 's'} training documents "
                f"almost as this label does. If {'they are labels, or are' if many else 'it is a label, or is'} known only after "
                f"ranking, results are too good: set task.exclude: {columns[:SHOWN]}."
            )


@dataclass(frozen=True, eq=False)
class _Hashed:
    """Hashes of everything in the documents, `[items]`, and queries, `[lists]`, of a split, and each document's query."""

    documents: Hashes
    queries: Hashes
    lengths: NDArray[np.int64]

    @property
    def query(self) -> NDArray[np.int64]:
        """`[items]`, the query of each document, from 0."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)


def overlap_notes(splits: Mapping[str, Sequence[QuerySubset]]) -> Iterator[str]:
    """Sentences on queries and documents that are in two splits, with the same features and labels."""
    found = {split: _hashes(parts) for split, parts in splits.items()}
    for first, second in combinations(found, 2):
        before, after = found[first], found[second]
        is_whole = np.isin(after.queries, before.queries)
        if is_whole.any():
            yield (
                f"{is_whole.sum()} of {len(is_whole)} {second} queries are also in the {first} split, with the same documents "
                f"and labels: results on the {second} split are too good."
            )
        is_part, copies = _copies(before, after, is_whole)
        if is_part.any():
            yield (
                f"{is_part.sum()} of {len(is_part)} {second} queries share half or more of their documents with a query of the "
                f"{first} split, with the same labels: results on the {second} split are too good."
            )
        elif copies >= MANY_COPIES * len(after.documents):
            yield (
                f"{copies} of {len(after.documents)} {second} documents are also in the {first} split, with the same features "
                f"and labels, in other queries: results on the {second} split may be too good."
            )


def id_notes(splits: Mapping[str, Sequence[QuerySubset]]) -> Iterator[str]:
    """Sentences on ids of queries of tables that are in two splits."""
    ids = {
        split: set().union(*(part.data.qids[part.lists].tolist() for part in parts if _are_names(part.data)))
        for split, parts in splits.items()
    }
    for first, second in combinations(ids, 2):
        shared = ids[first] & ids[second]
        if shared:
            example = min(shared, key=str)
            yield (
                f"{len(shared)} of {len(ids[second])} {second} queries have the id of a query of the {first} split, such as "
                f"{example!r}. If they are the same queries, results on the {second} split are too good."
            )


def _are_names(data: Dataset) -> bool:
    """Whether the ids of queries come from a column of a table, and are not the numbers 1, 2, ... of these queries."""
    return data.facts.query_column is not None and data.qids.tolist() != list(range(1, len(data) + 1))


def _copies(before: _Hashed, after: _Hashed, is_whole: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], int]:
    """`[lists]`, the queries of which a part is one of another split, and the documents that are there; `is_whole` aside.

    Documents that are there more than once are left out: with few features, equal ones say nothing.
    """
    values, first, counts = np.unique(before.documents, return_index=True, return_counts=True)
    values, first = values[counts == 1], first[counts == 1]
    place = np.searchsorted(values, after.documents)
    is_copy = (np.append(values, 0)[place] == after.documents) & (place < len(values)) & ~is_whole[after.query]
    pairs = np.column_stack([after.query[is_copy], before.query[first[place[is_copy]]]])
    same, shared = np.unique(pairs, axis=0, return_counts=True)
    is_part = np.zeros(len(is_whole), dtype=np.bool_)
    is_part[same[(shared >= FEWEST_COPIES) & (2 * shared >= after.lengths[same[:, 0]]), 0]] = True
    return is_part, int(is_copy.sum())


def _hashes(parts: Sequence[QuerySubset]) -> _Hashed:
    """The hashes of a split."""
    hashed = []
    for part in parts:
        items, columns = part.items, np.arange(part.data.columns)
        for begin, block in zip(count(0, BLOCK), feature_blocks(part.data.features, items, columns, BLOCK), strict=False):
            hashed.append(document_hashes(block, part.data.relevance[items[begin : begin + len(block)]]))
    documents = np.concatenate(hashed)
    lengths = np.concatenate([np.diff(part.offsets) for part in parts])
    return _Hashed(documents, query_hashes(documents, lengths), lengths)


def _gamma(
    part: QuerySubset, inputs: NDArray[np.int64], labels: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """`[features]` each: Goodman and Kruskal's gamma with a label over pairs within queries, and the queries with such pairs.

    Gamma is the share of pairs in the same order, less that in the opposite order, of those that are tied in neither: also a
    feature that is known for few documents has 1 or -1, if it gives the label of these away.

    Source: Goodman and Kruskal 1954.
    """
    starts, ends = part.offsets[:-1], part.offsets[1:]
    untied = np.flatnonzero(np.fmax.reduceat(labels, starts) > np.fmin.reduceat(labels, starts))
    limit = min(QUERIES, MOST_VALUES // (DOCUMENTS * DOCUMENTS // 2 * len(inputs)))
    agree, total = np.zeros(len(inputs)), np.zeros(len(inputs))
    queries = np.zeros(len(inputs), dtype=np.int64)
    items = part.items
    for index in untied[evenly_spaced(len(untied), limit)] if limit >= ENOUGH else []:
        chosen = starts[index] + evenly_spaced(int(ends[index] - starts[index]), DOCUMENTS)
        (values,) = feature_blocks(part.data.features, items[chosen], inputs)
        one, other = np.triu_indices(len(chosen), 1)
        order = np.nan_to_num(np.sign(labels[chosen[one]] - labels[chosen[other]]))  # a missing label says nothing
        one, other, order = one[order != 0], other[order != 0], order[order != 0]
        signs = np.sign(values[one] - values[other])  # [pairs, features]
        agree += order @ signs
        pairs = np.abs(signs).sum(axis=0)
        total, queries = total + pairs, queries + (pairs > 0)
    return np.divide(agree, total, out=np.zeros_like(agree), where=total > 0), queries


def missing_main_notes(parts: Sequence[QuerySubset], main: MainLabel | None) -> Iterator[str]:
    """A sentence if documents have no main label."""
    if main is None:
        return
    missing = 0
    for part in parts:
        if main.column is None:
            missing += int(np.isnan(part.data.relevance[part.items]).sum())
        else:
            column = column_number(part.data, main.column, "task.main.column")
            missing += int(np.isnan(read_column(part.data.features, part.items, column - 1)).sum())
    if missing:
        yield f"main: {missing:,} training documents have no label of the main objective; they count as 0."
