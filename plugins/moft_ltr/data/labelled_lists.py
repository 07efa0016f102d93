"""Builds the store of a split: labels, weights and attributes as the settings of a task name them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from moft import DataError
from moft_ltr.data.columns import read_labels, read_raw_labels
from moft_ltr.data.features.network_inputs import NetworkInputs
from moft_ltr.data.label_transforms import LabelColumn, MainLabel
from moft_ltr.data.lists_on_device import ListStore
from moft_ltr.data.side_columns import SideColumns, SideValues, read_side_columns
from moft_ltr.data.splits import QuerySubset


@dataclass(frozen=True)
class LabelSettings:
    """What a task reads beside features.

    Args:
        objectives: the label of each, by name.
        main: the label of the main objective; None where there is none.
        side: weights, segments, propensities and attributes.
    """

    objectives: Mapping[str, LabelColumn]
    main: MainLabel | None
    side: SideColumns


def build_store(
    parts: Sequence[QuerySubset],
    columns: NDArray[np.int64],
    network: NetworkInputs,
    inputs: set[str],
    settings: LabelSettings,
    device: torch.device,
    *,
    is_labelled: bool,
) -> ListStore:
    """The queries of `parts` on the device; their reference scores are still to be filled in.

    Args:
        parts: of a split.
        columns: `[features]`, the columns from 0 that are inputs.
        network: what a network reads of them.
        inputs: that a batch has, as for `ListStore`.
        settings: which labels are read.
        device: where labels are kept.
        is_labelled: False for queries that are only scored.

    Raises:
        DataError: a column is missing, or a label or weight is refused.
    """
    for part in parts:
        if columns.max() >= part.data.columns:
            last = columns.max() + 1
            raise DataError(
                f"{part.data.source}: has {part.data.columns} columns, but the ranker reads columns up to {last}. "
                f"If the last columns are all zero, write one out on any line: {last}:0."
            )
    items = [part.items for part in parts]
    count, names = sum(map(len, items)), list(settings.objectives)
    labels, main, raw, side = torch.zeros(count, len(names)), torch.zeros(count), dict[str, Tensor](), SideValues()
    if is_labelled:
        labels, main = read_labels(parts, items, settings.objectives, settings.main)
        raw = read_raw_labels(parts, items, settings.objectives, settings.main)
        side = read_side_columns(parts, settings.side, names)
    lengths = torch.cat([torch.from_numpy(np.diff(part.offsets)) for part in parts])
    return ListStore(
        parts=parts,
        columns=columns,
        network=network,
        inputs=inputs,
        labels=labels.to(device),
        labelled=is_labelled,
        main=main.nan_to_num(0.0).to(device),
        reference=torch.zeros(count, device=device),
        starts=lengths.cumsum(0) - lengths,
        lengths=lengths,
        qids=np.concatenate([part.data.qids[part.lists] for part in parts]),
        raw={name: values.to(device) for name, values in raw.items()},
        side=side.to(device),
    )
