"""Reads queries from arrays in memory, one at a time, for the scorer of a run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from moft.api import Batches, ExampleQuery, Inputs
from moft_ltr.base.base_scores import BaseScores
from moft_ltr.base.base_source import RankerReader
from moft_ltr.data.converted.ids import ids_at
from moft_ltr.data.dataset import Dataset
from moft_ltr.data.features.feature_scaling import Floats
from moft_ltr.data.features.network_inputs import NetworkInputs
from moft_ltr.data.splits import QuerySubset


def example_queries(part: QuerySubset, reader: RankerReader, count: int) -> list[ExampleQuery]:
    """The first queries of some data, as arrays that a reader takes.

    Args:
        part: the data, with the columns that the run was trained on.
        reader: of the run.
        count: the most queries.
    """
    found, data = [], part.data
    for query in part.lists[:count].tolist():
        rows = np.arange(data.offsets[query], data.offsets[query + 1])
        items = () if data.facts.items is None else tuple(map(str, ids_at(data.facts.items, rows)))
        values = np.ascontiguousarray(data.features[rows][:, reader.columns], dtype=np.float32)
        found.append(ExampleQuery(str(data.qids[query]), reader.features, values, items))
    return found


def array_reader(
    base: BaseScores,
    part: QuerySubset,
    inputs: NDArray[np.int64],
    network: NetworkInputs,
    wanted: Collection[str],
    device: torch.device,
    batches: Callable[[Dataset], Batches],
) -> RankerReader:
    """Reads arrays whose columns are the inputs, and then what the base ranker reads beside them.

    Args:
        base: restored.
        part: data with the columns that the run was trained on.
        inputs: `[features]`, the columns, from 0, that are inputs.
        network: what a network reads of the inputs.
        wanted: which inputs a batch has, as in `ListStore`.
        device: of the batches.
        batches: of queries that are only scored.
    """
    own = base.own_columns(part)
    columns = [*inputs.tolist(), *(column for column in dict.fromkeys(own.tolist()) if column not in inputs)]
    places = np.array([columns.index(column) for column in own.tolist()], dtype=np.int64)
    reference, trees = base.of_arrays(part, places, network, device)
    named = {column: part.data.facts.names[column] if part.data.facts.names else f"column_{column + 1}" for column in columns}

    def read(rows: Floats) -> tuple[Inputs, Tensor]:
        table = rows[:, : len(inputs)]
        found = {"items": torch.ones(1, len(rows), dtype=torch.bool, device=device)}
        if "features" in wanted:
            found["features"] = torch.from_numpy(network.features(table)).to(device).unsqueeze(0)
            if network.categories:
                found["categories"] = torch.from_numpy(network.codes(table)).to(device).unsqueeze(0)
        if "table" in wanted:
            found["table"] = torch.from_numpy(table).to(device).unsqueeze(0)
        return found, reference(rows, found)

    def read_lists(lists: Sequence[Floats]) -> Batches:
        lengths, count = np.array([len(rows) for rows in lists], dtype=np.int64), len(lists)
        features = np.zeros((int(lengths.sum()), part.data.columns), dtype=np.float32)
        features[:, columns] = np.concatenate(lists)
        return batches(
            replace(
                part.data,
                features=features,
                relevance=np.zeros(len(features), dtype=np.float32),
                offsets=np.concatenate([[0], lengths.cumsum()]),
                qids=np.arange(count),
                lines=np.zeros(count, dtype=np.int64),
            )
        )

    known = {named[column]: part.data.facts.categories.get(column + 1) for column in columns}
    categories = {name: values for name, values in known.items() if values is not None}
    return RankerReader(
        tuple(named.values()),
        categories,
        read,
        trees,
        read_lists,
        named[int(own[0])] if base.are_outside else None,
        columns=columns,
        inputs=len(inputs),
        network=network,
        base=lambda: base.source(part, places, network),
    )
