"""Notes on data that make results look too good: features that give a label away, and queries in more than one split."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from moft_ltr.data.content_hashes import Hashes, document_hashes, query_hashes
from moft_ltr.data.feature_scaling import feature_blocks
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
            yield f"Column {column} is a feature, but the data says that it is the label {name!r}. Leave it out of task.features."
    for name, values in labels.items():
        gamma, queries = _gamma(part, inputs, values)
        found = np.flatnonzero((np.abs(gamma) >= SUSPICIOUS) & (queries >= ENOUGH))
        if len(found):
            columns = [int(inputs[feature]) + 1 for feature in found]
            many = len(columns) > 1
            shown = ", ".join(map(str, columns[:SHOWN])) + (f" and {len(columns) - SHOWN} more" if len(columns) > SHOWN else "")
            yield (
                f"{name}: column{'s' if many else ''} {shown} among the features order{'' if many else 's'} training documents "
                f"almost as this label does. If {'they are labels, or are' if many else 'it is a label, or is'} known only after "
                f"ranking, results are too good: set task.exclude: {columns[:SHOWN]}."
            )


def overlap_notes(splits: Mapping[str, Sequence[QuerySubset]]) -> Iterator[str]:
    """Sentences on queries that are in two splits, with the same documents and labels."""
    found = {split: np.concatenate([_hashes(part) for part in parts]) for split, parts in splits.items()}
    for first, second in combinations(found, 2):
        shared = int(np.isin(found[second], found[first]).sum())
        if shared:
            yield (
                f"{shared} of {len(found[second])} {second} queries are also in the {first} split, with the same documents and "
                f"labels: results on the {second} split are too good."
            )


def _hashes(part: QuerySubset) -> Hashes:
    """`[lists]`, a hash of everything in each query."""
    items, columns = part.items, np.arange(part.data.columns)
    documents, begin = np.empty(len(items), dtype=np.uint64), 0
    for block in feature_blocks(part.data.features, items, columns):
        end = begin + len(block)
        documents[begin:end] = document_hashes(block, part.data.relevance[items[begin:end]])
        begin = end
    return query_hashes(documents, np.diff(part.offsets))


def _gamma(
    part: QuerySubset, inputs: NDArray[np.int64], labels: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """`[features]` each: Goodman and Kruskal's gamma with a label over pairs within queries, and the queries with such pairs.

    Gamma is the share of pairs in the same order, less that in the opposite order, of those that are tied in neither: also a
    feature that is known for few documents has 1 or -1, if it gives the label of these away.

    Source: Goodman and Kruskal 1954.
    """
    starts, ends = part.offsets[:-1], part.offsets[1:]
    untied = np.flatnonzero(np.maximum.reduceat(labels, starts) > np.minimum.reduceat(labels, starts))
    limit = min(QUERIES, MOST_VALUES // (DOCUMENTS * DOCUMENTS // 2 * len(inputs)))
    agree, total = np.zeros(len(inputs)), np.zeros(len(inputs))
    queries = np.zeros(len(inputs), dtype=np.int64)
    items = part.items
    for index in untied[evenly_spaced(len(untied), limit)] if limit >= ENOUGH else []:
        chosen = starts[index] + evenly_spaced(int(ends[index] - starts[index]), DOCUMENTS)
        (values,) = feature_blocks(part.data.features, items[chosen], inputs)
        one, other = np.triu_indices(len(chosen), 1)
        order = np.sign(labels[chosen[one]] - labels[chosen[other]])
        one, other, order = one[order != 0], other[order != 0], order[order != 0]
        signs = np.sign(values[one] - values[other])  # [pairs, features]
        agree += order @ signs
        pairs = np.abs(signs).sum(axis=0)
        total, queries = total + pairs, queries + (pairs > 0)
    return np.divide(agree, total, out=np.zeros_like(agree), where=total > 0), queries
