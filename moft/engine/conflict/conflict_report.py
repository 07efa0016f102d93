"""The page on conflicts before training: tables of pairs and of rankings by labels, and what they say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from moft.engine.conflict.conflict_advice import conflict_advice
from moft.engine.conflict.label_rankings import Gains, RankingValues, ranking_values
from moft.engine.conflict.list_conflicts import ListConflicts, Values, list_conflicts
from moft.engine.losses.objective_losses import ObjectiveLosses
from moft.interfaces import Evaluator
from moft.types import Batch, Nouns

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

MOST_PAIRS = 20
"""Pairs of objectives in the table: those whose gradients oppose each other most."""


WIDTH, GAP = 80, 3
"""Of a table, and between its columns."""


@dataclass(frozen=True, eq=False)
class LabelledLists:
    """Lists to look at before training.

    Args:
        losses: of the objectives.
        trained: whether each is trained; the others, such as the main one, are only measured.
        lists: batches whose labels and gradients are compared.
        measured: batches that are ranked, by labels and by their reference scores.
        has_base: whether the reference scores are those of a base model.
        evaluator: of the objectives.
        gains: what an item adds to the metric.
        nouns: what lists and items are called.
    """

    losses: ObjectiveLosses
    trained: Sequence[bool]
    lists: Iterable[Batch]
    measured: Iterable[Batch]
    has_base: bool
    evaluator: Evaluator
    gains: Gains
    nouns: Nouns

    @property
    def names(self) -> list[str]:
        """Of the objectives."""
        return [objective.name for objective in self.losses.objectives]


@dataclass(frozen=True)
class ConflictReport:
    """The figures of the page, and its parts to print.

    Args:
        given: what was measured.
        conflicts: within lists.
        values: of rankings by labels.
    """

    given: LabelledLists
    conflicts: ListConflicts
    values: RankingValues

    def parts(self, sample: str, loss: str, metric: str, base: str, notes: Sequence[str] = ()) -> list[RenderableType]:
        """The page: two tables with what they mean, and what they say.

        Args:
            sample: which lists were compared, in words.
            loss: of the objectives, in words.
            metric: what the second table measures, and on which lists, in words.
            base: what the base scores are, or why there are none, in a sentence.
            notes: sentences to end with.
        """
        nouns = self.given.nouns
        told = [
            f"cosine: of the gradients of the losses ({loss}) in the scores, at the reference, where all rewards are zero; mean "
            f"over those of {sample} in which both labels order {nouns.items}",
            f"gradients oppose: share of these {nouns.lists} with a cosine below zero",
            f"labels oppose: share in which more pairs of {nouns.items} are in opposite order than in the same",
        ]
        if (pairs := _count_pairs(len(self.given.names))) > MOST_PAIRS:
            told.append(f"The {MOST_PAIRS} of {pairs} pairs whose gradients oppose most are shown.")
        told_of_orders = [
            f"{metric} {nouns.items.capitalize()} that the objective of a row does not order are in the order that is best for "
            "the others. Equal weights: the order by the sum of the trained objectives.",
            base,
        ]
        advice = conflict_advice(self.given.names, self.given.trained, self.conflicts, self.values, nouns)
        said = ["What this says", "", *(f"- {sentence}" for sentence in (*advice, *notes))]
        return [self._pairs(), *told, "", *self._orders(), *told_of_orders, "", *said]

    def _pairs(self) -> Table:
        """How far each two objectives pull apart."""
        names, lists = self.given.names, self.conflicts.lists
        columns = ("cosine", "gradients oppose", "labels oppose", self.given.nouns.lists)
        table = report_table("Conflict", "objectives", columns)
        cosine, gradients, labels = (
            found() for found in (self.conflicts.mean_cosine, self.conflicts.opposed_gradients, self.conflicts.opposed_labels)
        )
        for pair in self._most_opposed(gradients):
            shown = (f"{cosine[pair]:.2f}", f"{gradients[pair]:.0%}", f"{labels[pair]:.0%}") if lists[pair] else ("-", "-", "-")
            table.add_row(f"{names[pair[0]]}, {names[pair[1]]}", *shown, f"{lists[pair]:,}")
        return table

    def _orders(self) -> Iterator[Table]:
        """What orders have of each objective, in tables that are no wider than a terminal."""
        values, names = self.values, self.given.names
        rows = [("random", values.random), *([] if values.base is None else [("base", values.base)])]
        rows += [(f"best for {name}", ideal) for name, ideal in zip(names, values.ideal, strict=True)]
        rows.append(("equal weights", values.middle))
        space, begin = WIDTH - max(len(label) for label, _ in rows), 0
        while begin < len(names):
            ends = np.cumsum([max(len(name), len("0.000")) + GAP for name in names[begin:]])
            end = begin + max(1, int((ends <= space).sum()))
            table = report_table("What each order has", "order", names[begin:end])
            for label, row in rows:
                table.add_row(label, *("-" if np.isnan(value) else f"{value:.3f}" for value in row[begin:end]))
            yield table
            begin = end

    def _most_opposed(self, gradients: Values) -> list[tuple[int, int]]:
        """The pairs in order, or the first of them by the share of opposed gradients."""
        pairs = list(combinations(range(len(self.given.names)), 2))
        return pairs if len(pairs) <= MOST_PAIRS else sorted(pairs, key=lambda pair: -gradients[pair])[:MOST_PAIRS]


def conflict_report(given: LabelledLists) -> ConflictReport:
    """Measures conflicts within lists, and rankings by labels; no model is trained.

    Raises:
        MoftError: a loss refuses the labels, or fails.
    """
    conflicts = list_conflicts(given.losses, given.lists)
    values = ranking_values(given.evaluator, given.measured, given.gains, list(given.trained), has_base=given.has_base)
    return ConflictReport(given, conflicts, values)


def agreement_table(
    title: str,
    names: Sequence[str],
    mean: Values,
    counts: npt.NDArray[np.int64],
    caption: str | None = None,
) -> Table:
    """The lower triangle of a table of pairs, `[m, m]` both; a pair without a list that counts shows a dash."""
    table = report_table(title, "label", map(str, range(1, len(names))), caption)
    for row, name in enumerate(names):
        table.add_row(f"{row + 1} {name}", *(f"{mean[row, j]:.2f}" if counts[row, j] else "-" for j in range(row)))
    return table


def report_table(title: str, first: str, columns: Iterable[str], caption: str | None = None) -> Table:
    """An empty table: a column of names, which are never truncated, and columns of numbers."""
    from rich import box
    from rich.table import Table

    table = Table(title=title, caption=caption, title_justify="left", caption_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(first, overflow="fold")
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _count_pairs(names: int) -> int:
    return names * (names - 1) // 2
