"""The nouns: frozen records that travel between the engine and its plugins."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, Self

import torch
from torch import Tensor

from moft.errors import ShapeError

MAIN = "main"
"""What values of the main objective are called."""

Slot = Literal["modulation", "prefix", "deltas", "gates"]
Inputs = Mapping[str, Tensor]
"""What a model reads, by name. Every tensor has the batch as its first axis; the engine only selects rows."""


class LossFunction(Protocol):
    """What a loss is to those who only call it; `moft.interfaces.Loss` says more."""

    def __call__(self, rewards: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
        """`[..., list]` three times to `[...]`."""
        ...


@dataclass(frozen=True)
class Tradeoff:
    """What a policy is asked for: weights over the objectives, and temperatures.

    Args:
        weights: `[batch, m]`, each row on the simplex. One row broadcasts.
        temperatures: `[batch, m]`, > 0; larger stays closer to the base model. One row broadcasts.
    """

    weights: Tensor
    temperatures: Tensor

    def __post_init__(self) -> None:
        for name in ("weights", "temperatures"):
            if getattr(self, name).dim() != 2:
                raise ShapeError(f"{name} must be [batch, m], got {list(getattr(self, name).shape)}.")
        rows, others = len(self.weights), len(self.temperatures)
        if self.weights.shape[1] != self.temperatures.shape[1] or (rows != others and 1 not in (rows, others)):
            raise ShapeError(
                f"weights {list(self.weights.shape)} and temperatures {list(self.temperatures.shape)} do not go together: "
                "they need the same m, and as many rows as each other or one."
            )

    def __len__(self) -> int:
        return max(len(self.weights), len(self.temperatures))

    def expand(self, rows: int) -> Tradeoff:
        """The same tradeoff with `rows` rows.

        Raises:
            ShapeError: it has neither one row nor `rows`.
        """
        if len(self) not in (1, rows):
            raise ShapeError(f"a tradeoff of {len(self)} rows cannot serve a batch of {rows}: give one row, or one per list.")
        return Tradeoff(self.weights.expand(rows, -1), self.temperatures.expand(rows, -1))

    def select(self, rows: Tensor) -> Tradeoff:
        """The rows `rows`, `[k]` integers, in their order."""
        whole = self.expand(len(self))
        return Tradeoff(whole.weights[rows], whole.temperatures[rows])

    def to(self, device: torch.device) -> Tradeoff:
        """The same tradeoff on `device`."""
        return Tradeoff(self.weights.to(device), self.temperatures.to(device))

    def checked(self) -> Tradeoff:
        """Itself, once its values are known to be allowed.

        Raises:
            ShapeError: a weight is negative or not finite, a row does not sum to one, a temperature is not positive.
        """
        weights, temperatures = self.weights, self.temperatures
        if not torch.isfinite(weights).all() or (weights < 0).any():
            raise ShapeError(f"weights must be finite and not negative, got {_plain(weights)}.")
        if ((weights.sum(-1) - 1).abs() > 1e-4).any():
            raise ShapeError(
                f"weights must sum to 1, got {_plain(weights)}, which sum to {_plain(weights.sum(-1, keepdim=True))}."
            )
        if not torch.isfinite(temperatures).all() or (temperatures <= 0).any():
            raise ShapeError(f"temperatures must be finite and above 0, got {_plain(temperatures)}.")
        return self


@dataclass(frozen=True)
class Batch:
    """Lists of one step, padded to the longest.

    Args:
        inputs: what the model reads; opaque to the engine but for the first axis, which is the batch.
        labels: `[batch, list, m]`, transformed labels of the objectives, larger is better.
        mask: `[batch, list, m]` bool; True where the item is judged for the objective.
        reference: `[batch, list]`, scores of the frozen base model.
        items: `[batch, list]` bool; True for items, False for padding.
        main: `[batch, list]`, labels of the main objective; zeros where there is none.
        lists: `[batch]` int64, which list of its split each row is.
        rows: the most rows (tradeoffs times lists) that one forward pass should take when a grid is folded into the batch.
    """

    inputs: Inputs
    labels: Tensor
    mask: Tensor
    reference: Tensor
    items: Tensor
    main: Tensor
    lists: Tensor
    rows: int = 1024

    def __len__(self) -> int:
        return len(self.lists)

    def select(self, rows: Tensor) -> Self:
        """The rows `rows`, `[k]` integers, in their order; a row may be taken more than once."""
        parts = {name: getattr(self, name)[rows] for name in ("labels", "mask", "reference", "items", "main", "lists")}
        return replace(self, inputs={name: value[rows] for name, value in self.inputs.items()}, **parts)


@dataclass(frozen=True)
class Batches:
    """One pass over a split: a plan of which lists stand in which batch, and how to load one batch.

    Args:
        plan: for each batch, `[k]` int64 on the CPU, the lists it holds.
        load: lists to their batch, rows in the same order.
    """

    plan: Sequence[Tensor]
    load: Callable[[Tensor], Batch]

    def __len__(self) -> int:
        return len(self.plan)

    def __iter__(self) -> Iterator[Batch]:
        return (self.load(lists) for lists in self.plan)

    @property
    def lists(self) -> int:
        """How many lists the pass covers."""
        return sum(len(lists) for lists in self.plan)


@dataclass(frozen=True)
class Delta:
    """What is added to a linear layer's matrix, per row of the batch: dense, or low-rank `b @ a`.

    Args:
        dense: `[batch, out, in]`, or None.
        a: `[batch, r, in]`, or None.
        b: `[batch, out, r]`, or None.
    """

    dense: Tensor | None = None
    a: Tensor | None = None
    b: Tensor | None = None

    def __post_init__(self) -> None:
        if (self.a is None) != (self.b is None) or (self.dense is None) == (self.a is None):
            raise ShapeError("a delta is either dense, or low-rank with both a and b.")


@dataclass(frozen=True)
class Injection:
    """What a conditioner puts into a model, in four slots; an empty one changes nothing.

    Args:
        modulation: by site, (scale, shift), each `[batch, hidden]` or None: `x * scale + shift`.
        prefix: `[batch, p, hidden]` tokens before the sequence, or None.
        deltas: by layer, what is added to its matrix; several add up.
        gates: by layer, `[batch, rank]`, what the inner values of its low-rank factors are multiplied by: `B diag(g) A`.
    """

    modulation: Mapping[str, tuple[Tensor | None, Tensor | None]] = field(default_factory=dict)
    prefix: Tensor | None = None
    deltas: Mapping[str, tuple[Delta, ...]] = field(default_factory=dict)
    gates: Mapping[str, Tensor] = field(default_factory=dict)

    def __or__(self, other: Injection) -> Injection:
        """Both: modulations compose (this one first), prefixes follow each other, deltas add up, gates multiply."""
        modulation = dict(self.modulation)
        for site, (scale, shift) in other.modulation.items():
            modulation[site] = _composed(modulation[site], (scale, shift)) if site in modulation else (scale, shift)
        prefixes = [p for p in (self.prefix, other.prefix) if p is not None]
        deltas = {name: (*self.deltas.get(name, ()), *other.deltas.get(name, ())) for name in {**self.deltas, **other.deltas}}
        gates = {**self.gates, **{name: own * self.gates.get(name, 1) for name, own in other.gates.items()}}
        return Injection(modulation, torch.cat(prefixes, dim=1) if prefixes else None, deltas, gates)

    def select(self, rows: Tensor) -> Injection:
        """The rows `rows`, `[k]` integers, in their order; a row may be taken more than once."""

        def at(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else tensor[rows]

        return Injection(
            {site: (at(scale), at(shift)) for site, (scale, shift) in self.modulation.items()},
            at(self.prefix),
            {layer: tuple(Delta(at(one.dense), at(one.a), at(one.b)) for one in own) for layer, own in self.deltas.items()},
            {layer: own[rows] for layer, own in self.gates.items()},
        )


@dataclass(frozen=True)
class ModelSpec:
    """What a conditioner has to know of a model.

    Args:
        tradeoff_size: width of the vector that conditioners read.
        hidden_size: width of the sites and of the prefix.
        slots: the slots of an injection that the model reads.
        sites: names of the sites that can be modulated, from input to output.
        shapes: `(out, in)` of each linear layer that takes deltas.
        is_correction: True when the model's output is added to the reference scores (`augmentation`),
            False when it is the score itself.
        starts: `[k, hidden]`, embeddings of ordinary tokens that a prefix may start from; None where there are none.
        ranks: of each layer whose low-rank factors take gates.
        room: the most tokens that a prefix may have; None where the model sets no limit.
        name: what messages call the model.
    """

    tradeoff_size: int
    hidden_size: int
    slots: frozenset[Slot] = frozenset()
    sites: tuple[str, ...] = ()
    shapes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    is_correction: bool = False
    starts: Tensor | None = None
    ranks: Mapping[str, int] = field(default_factory=dict)
    room: int | None = None
    name: str = "this model"


@dataclass(frozen=True)
class Objective:
    """One objective of a problem.

    Args:
        name: as the config file calls it.
        temperature: beta, > 0; larger stays closer to the base model.
        gain: how a label counts in NDCG: `linear` is the label itself, `exp2` is 2^label - 1.
        loss: its own loss, `[..., list]` three times to `[...]`, or None for the method's.
        label: what a label of it is, in words, for reports.
    """

    name: str
    temperature: float = 1.0
    gain: Literal["linear", "exp2"] = "linear"
    loss: LossFunction | None = None
    label: str = ""


def temperatures_of(objectives: Sequence[Objective]) -> Tensor:
    """`[1, m]`, the objectives' own temperatures."""
    return torch.tensor([[objective.temperature for objective in objectives]])


@dataclass(frozen=True)
class ListValues:
    """What an evaluator measured, per tradeoff and list; NaN where a list says nothing of an objective.

    Args:
        values: `[n, lists, m]`, larger is better.
        main: `[n, lists]`; all NaN when there is no main objective.
        lists: `[lists]` int64, which list of its split each column is.
        more: `[n, lists]` each, by name: what else was seen and is written beside the values, means over the lists.
        main_name: what titles and columns call `main`, where something else than the main objective stands in its place.
    """

    values: Tensor
    main: Tensor
    lists: Tensor
    more: Mapping[str, Tensor] = field(default_factory=dict)
    main_name: str = MAIN

    def ordered(self) -> ListValues:
        """The same values with the lists in the order of the split."""
        order = self.lists.argsort()
        more = {name: series[:, order] for name, series in self.more.items()}
        return replace(self, values=self.values[:, order], main=self.main[:, order], lists=self.lists[order], more=more)


@dataclass(frozen=True)
class Front:
    """A policy measured over a grid of tradeoffs.

    Args:
        objectives: names, in order.
        tradeoffs: the grid, n rows.
        measured: what the evaluator saw, per tradeoff and list.
        metric: the metric with its convention, in words.
        split: the split of the data that was measured.
        notes: what a reader has to know of these points.
        answered: `[n, m]`, the weights that the policy answered in place of those of the grid; None where it answers any.
    """

    objectives: tuple[str, ...]
    tradeoffs: Tradeoff
    measured: ListValues
    metric: str
    split: str
    notes: tuple[str, ...] = ()
    answered: Tensor | None = None

    @property
    def points(self) -> Tensor:
        """`[n, m]`, means over the lists that count; larger is better."""
        return self.measured.values.nanmean(dim=1)

    @property
    def main(self) -> Tensor:
        """`[n]`, means of the main objective, or of what stands in its place; NaN where there is none."""
        return self.measured.main.nanmean(dim=1)

    def select(self, rows: Tensor) -> Front:
        """The front of the rows `rows` of the grid, `[k]` integers."""
        more = {name: series[rows] for name, series in self.measured.more.items()}
        measured = replace(self.measured, values=self.measured.values[rows], main=self.measured.main[rows], more=more)
        answered = None if self.answered is None else self.answered[rows]
        return replace(self, tradeoffs=self.tradeoffs.select(rows), measured=measured, answered=answered)


@dataclass(frozen=True)
class Run:
    """What observers are told of a run.

    Args:
        name: the run's name.
        folder: where it writes, or None when it does not.
        config: the resolved config.
    """

    name: str
    folder: Any
    config: Mapping[str, Any]


def _composed(
    first: tuple[Tensor | None, Tensor | None], second: tuple[Tensor | None, Tensor | None]
) -> tuple[Tensor | None, Tensor | None]:
    """One (scale, shift) that does `first`, then `second`."""
    (scale, shift), (next_scale, next_shift) = first, second
    if next_scale is not None:
        scale = next_scale if scale is None else scale * next_scale
        shift = None if shift is None else shift * next_scale
    if next_shift is not None:
        shift = next_shift if shift is None else shift + next_shift
    return scale, shift


def _plain(values: Tensor) -> str:
    """The first rows as short text, for messages."""
    rows = [[float(f"{value:.4g}") for value in row] for row in values.detach().cpu()[:3].tolist()]
    return ", ".join(str(row) for row in rows) + (" ..." if len(values) > 3 else "")
