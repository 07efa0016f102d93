"""All queries of one split as tensors on the device, from which padded batches are gathered without work on the host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from moft.api import Batch, Batches, length_grouped
from moft_ltr.data.features.feature_scaling import feature_blocks, release
from moft_ltr.data.features.network_inputs import NetworkInputs
from moft_ltr.data.side_columns import SideValues
from moft_ltr.data.splits import QuerySubset


@dataclass(frozen=True, eq=False)
class ListStore:
    """Features and transformed labels of every document of a split.

    Args:
        parts: where the features are.
        columns: `[features]`, the columns from 0 that are inputs.
        network: what a network reads of them.
        inputs: which inputs a batch has beside `items`: `features` of a network, with `categories` where there are some, and
            `table`, the features as they are; may change later.
        labels: `[items, m]`, on the device; NaN where a document is not judged.
        labelled: True if the labels are known; False for queries that are only scored.
        main: `[items]`, labels of the main objective, on the device.
        reference: `[items]`, base scores, on the device.
        starts: `[lists]` int64, index of the first document of each query, on the CPU.
        lengths: `[lists]` int64, on the CPU.
        qids: `[lists]`, integers or texts.
        raw: `[items, ...]` each, on the device: labels as in the data, by their names in a batch.
        side: weights and segments of the queries, and attributes of the documents.
    """

    parts: Sequence[QuerySubset]
    columns: NDArray[np.int64]
    network: NetworkInputs
    inputs: set[str]
    labels: Tensor
    labelled: bool
    main: Tensor
    reference: Tensor
    starts: Tensor
    lengths: Tensor
    qids: NDArray[Any]
    raw: Mapping[str, Tensor] = field(default_factory=dict)
    side: SideValues = field(default_factory=SideValues)

    @cached_property
    def features(self) -> Tensor:
        """`[items, width]`, scaled numbers and indicators, on the device of the labels."""
        features = torch.empty(len(self.labels), self.network.width, device=self.labels.device)
        position = 0
        for part in self.parts:
            for block in feature_blocks(part.data.features, part.items, self.columns):
                features[position : position + len(block)] = torch.from_numpy(self.network.features(block)).to(features.device)
                position += len(block)
        return features

    @cached_property
    def categories(self) -> Tensor:
        """`[items, categorical]` int64, codes of categories, on the device of the labels."""
        blocks = (
            torch.from_numpy(self.network.codes(block))
            for part in self.parts
            for block in feature_blocks(part.data.features, part.items, self.columns)
        )
        return torch.cat(list(blocks)).to(self.labels.device)

    def table(self, index: NDArray[np.int64]) -> NDArray[np.float32]:
        """`[n, features]`, features as they are in the data, of the documents `index`, `[n]`."""
        rows = np.empty((len(index), len(self.columns)), dtype=np.float32)
        begin = 0
        for part in self.parts:
            end = begin + int(part.offsets[-1])
            here = np.flatnonzero((index >= begin) & (index < end))
            rows[here] = part.data.features[part.items[index[here] - begin][:, None], self.columns[None, :]]
            release(part.data.features)
            begin = end
        return rows

    def batch(self, lists: Tensor) -> Batch:
        """The queries `lists`, `[batch]` int64, padded to the longest of them."""
        device = self.labels.device
        lengths = self.lengths[lists]
        positions = torch.arange(int(lengths.max()), device=device)  # [list]
        starts, ends = self.starts[lists].to(device), lengths.to(device)
        items = positions < ends.unsqueeze(1)  # [batch, list]
        index = starts.unsqueeze(1) + positions.minimum(ends.unsqueeze(1) - 1)  # [batch, list]
        labels = self.labels[index]  # [batch, list, m]
        mask = items.unsqueeze(-1) & ~labels.isnan() if self.labelled else torch.zeros_like(labels, dtype=torch.bool)
        inputs = {"items": items}
        if "features" in self.inputs:
            inputs["features"] = self.features[index]
            if self.network.categories:
                inputs["categories"] = self.categories[index]
        if "table" in self.inputs:
            table = torch.zeros(*items.shape, len(self.columns))
            known = items.cpu()
            table[known] = torch.from_numpy(self.table(index.cpu()[known].numpy()))
            inputs["table"] = table.to(device)
        batch = Batch(
            inputs=inputs,
            labels=labels.nan_to_num(0.0),
            mask=mask,
            reference=self.reference[index].masked_fill(~items, 0.0),
            items=items,
            main=self.main[index].masked_fill(~items, 0.0),
            lists=lists.to(device),
            attributes={name: column[index] for name, column in self.side.attributes.items()},
        )
        further: dict[str, Any] = {name: values[index] for name, values in self.raw.items()}
        if self.side.items is not None:
            further["item_weights"] = self.side.items[index]
        if self.side.relative is not None:
            further["list_weights"] = self.side.relative[lists].to(device)
        return replace(batch, **further)

    def batches(self, budget: int, generator: Generator | None = None) -> Batches:
        """One pass in length-grouped batches of at most `budget` documents, padding included."""
        plan = length_grouped(self.lengths, budget, generator)
        return Batches(plan, self.batch, weights=self.side.lists, segments=self.side.segments)

    def flat(self, values: Tensor, batch: Batch, out: Tensor) -> None:
        """Writes `values`, `[batch, list]`, of the batch's documents into `out`, `[items]`."""
        lists = batch.lists.cpu()
        starts = self.starts[lists].to(out.device).unsqueeze(1)
        index = starts + torch.arange(values.shape[1], device=out.device)  # [batch, list]
        out[index[batch.items]] = values[batch.items].to(out.dtype)
