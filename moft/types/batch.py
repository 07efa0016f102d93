"""A batch of lists, and one pass over a split."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from torch import Tensor

Inputs = Mapping[str, Tensor]
"""What a model reads, by name. Every tensor has the batch as its first axis; the engine only selects rows."""


@dataclass(frozen=True)
class Batch:
    """A batch of lists, padded to the longest.

    Args:
        inputs: what the model reads; opaque to the engine but for the first axis, which is the batch.
        labels: `[batch, list, m]`, transformed labels of the objectives, larger is better.
        mask: `[batch, list, m]` bool; True where the item is judged for the objective.
        reference: `[batch, list]`, scores of the frozen base model.
        items: `[batch, list]` bool; True for items, False for padding.
        main: `[batch, list]`, labels of the main objective; zeros where there is none.
        lists: `[batch]` int64, which list of its split each row is.
        rows: largest number of rows (tradeoffs times lists) of a forward pass when a grid is folded into the batch.
        raw_labels: `[batch, list, m]`, labels as in the data, for metrics; NaN where there is none of which more is better. None
            where they are `labels`.
        raw_main: `[batch, list]`, the same of the main objective; None where they are `main`.
        list_weights: `[batch]`, how much each list counts in losses and means, 1 in the mean over its split; None where all count
            the same.
        item_weights: `[batch, list, m]`, how much each item's label counts, such as an inverse propensity; None for 1.
        attributes: `[batch, list]` each, by name: columns of the items that losses and metrics ask for.
    """

    inputs: Inputs
    labels: Tensor
    mask: Tensor
    reference: Tensor
    items: Tensor
    main: Tensor
    lists: Tensor
    rows: int = 1024
    raw_labels: Tensor | None = None
    raw_main: Tensor | None = None
    list_weights: Tensor | None = None
    item_weights: Tensor | None = None
    attributes: Mapping[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.lists)

    def select(self, rows: Tensor) -> Self:
        """The rows `rows`, `[k]` integers, in their order; a row may be taken more than once."""
        parts = {name: getattr(self, name)[rows] for name in ("labels", "mask", "reference", "items", "main", "lists")}
        given = {name: getattr(self, name) for name in ("raw_labels", "raw_main", "list_weights", "item_weights")}
        parts |= {name: value[rows] for name, value in given.items() if value is not None}
        inputs, attributes = ({name: value[rows] for name, value in each.items()} for each in (self.inputs, self.attributes))
        return replace(self, inputs=inputs, attributes=attributes, **parts)


@dataclass(frozen=True)
class Batches:
    """One pass over a split: the plan says which lists are in which batch, and `load` reads one of them.

    Args:
        plan: for each batch, `[k]` int64 on the CPU, the lists it holds.
        load: batch of the given lists, rows in the same order.
        names: what the data calls each list, such as the id of a query; empty where it has no names.
        item_names: what the data calls each item, list by list in the order of the data; empty where it has no names.
        weights: `[lists]`, how much each list of the split counts in means, on the CPU; None where all count the same.
        segments: the part of the split that each of its lists belongs to; empty where there are none.
    """

    plan: Sequence[Tensor]
    load: Callable[[Tensor], Batch]
    names: Sequence[str | int] = ()
    item_names: Sequence[str | int] = ()
    weights: Tensor | None = None
    segments: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.plan)

    def __iter__(self) -> Iterator[Batch]:
        return (self.load(lists) for lists in self.plan)

    @property
    def lists(self) -> int:
        """How many lists the pass covers."""
        return sum(len(lists) for lists in self.plan)
