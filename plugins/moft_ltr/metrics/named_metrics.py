"""The metrics of an objective by name, such as `value@5`, and what labels they take."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from moft import ConfigError
from moft_ltr.metrics.ranking import Order, discounted
from moft_ltr.metrics.tied_metrics import (
    FILLERS,
    Empty,
    average_precision,
    cascade,
    distinct_categories,
    exposure,
    ndcg,
    top_sum,
)

SYNTAX = re.compile(r"([a-z-]+)(?:\(([^()=]+)(?:=([^()=]*))?\))?(?:@([1-9][0-9]{0,8}))?")
GRADES = 4.0
"""The largest grade of `err`, unless it is given."""


@dataclass(frozen=True)
class _Kind:
    """What a metric is.

    Args:
        meaning: in words.
        option: the name of its option.
        needs_k: True if it says nothing over the whole list.
        is_sum: True if it is a sum over documents, which can be weighted one by one.
        of_attribute: what it reads instead of labels, as an example; None for labels.
    """

    meaning: str
    option: str | None = None
    needs_k: bool = False
    is_sum: bool = False
    of_attribute: str | None = None


KINDS = {
    "ndcg": _Kind("", is_sum=True),
    "mrr": _Kind("one over the rank of the first relevant document", "rel"),
    "map": _Kind("mean of the precision at each relevant document", "rel"),
    "err": _Kind("expected reciprocal rank", "top"),
    "precision": _Kind("relevant documents of the top k, over k", "rel", needs_k=True, is_sum=True),
    "recall": _Kind("relevant documents of the top k, over all relevant ones", "rel", needs_k=True, is_sum=True),
    "value": _Kind("sum of the label as in the data over the top k", needs_k=True, is_sum=True),
    "mean-value": _Kind("mean of the label as in the data over the top k", needs_k=True, is_sum=True),
    "exposure": _Kind("share of a group in the exposure 1/log2(rank+1) of the top k", of_attribute="provider=1"),
    "parity": _Kind("1 minus the distance of that share from the group's share of the documents", of_attribute="provider=1"),
    "diversity": _Kind("categories in the top k, of those that could be there", needs_k=True, of_attribute="category"),
}


@dataclass(frozen=True, eq=False)
class Labels:
    """The labels of an objective.

    Args:
        transformed: `[batch, list]`, what is trained on.
        raw: `[batch, list]`, as in the data.
        mask: `[batch, list]` bool, True where the label counts.
        items: `[batch, list]` bool, False for padding.
        weights: `[batch, list]`, of the documents, such as inverse propensities; None for none.
        attributes: `[batch, list]` each, columns by name.
    """

    transformed: Tensor
    raw: Tensor
    mask: Tensor
    items: Tensor
    weights: Tensor | None = None
    attributes: Mapping[str, Tensor] = field(default_factory=dict)

    def known(self) -> Labels:
        """The same, in which only documents count that have a label in the data."""
        return replace(self, mask=self.mask & ~self.raw.isnan())


@dataclass(frozen=True)
class Metric:
    """One metric of an objective.

    Args:
        text: as it was written.
        name: of `KINDS`.
        k: number of ranks; None for all.
        option: the smallest label that is relevant, of `err` the largest grade, of a group the value of its attribute; None for
            the default.
        attribute: the column that it reads instead of labels; None for labels.
    """

    text: str
    name: str
    k: int | None
    option: float | None = None
    attribute: str | None = None

    @property
    def uses_relevance(self) -> bool:
        """True if it only asks which documents are relevant."""
        return KINDS[self.name].option == "rel"

    @property
    def is_sum(self) -> bool:
        """True if it is a sum over documents, which can be weighted one by one."""
        return KINDS[self.name].is_sum

    def words(self, gain: str, empty: str) -> str:
        """The metric with its convention."""
        if self.name == "ndcg":
            formula = {"linear": "the label itself", "exp2": "2^label - 1"}[gain]
            return f"NDCG@{self.k} (gain {formula}; discount 1/log2(rank+1); queries without gain {empty})"
        rule = ""
        if self.uses_relevance:
            rule = f"; relevant is a label {'above 0' if self.option is None else f'of {self.option:g} or more'}"
        if self.name == "err":
            rule = f"; a reader stops with (2^label - 1)/2^{self._top:g}"
        queries = "" if self.name in ("value", "mean-value") else f"; queries without relevant documents {empty}"
        if self.attribute is not None:
            queries = f"; queries of one kind of documents {empty}"
        return f"{self.text} ({KINDS[self.name].meaning}{rule}{queries})"

    def relevant(self, labels: Tensor, mask: Tensor) -> Tensor:
        """`[batch, list]` bool, from labels as in the data."""
        return mask & (labels > 0 if self.option is None else labels >= self.option)

    def misfit(self, labels: Tensor, mask: Tensor) -> Tensor:
        """`[batch, list]` bool, True where a label cannot be measured."""
        return mask & ((labels < 0) | (labels > self._top)) if self.name == "err" else torch.zeros_like(mask)

    def advice(self) -> str:
        """What is allowed where `misfit` is True."""
        return f"grades from 0 to {self._top:g}; write err(top=LARGEST GRADE)@10, or take another metric"

    def __call__(self, order: Order, labels: Labels, gain: str, empty: Empty) -> Tensor:
        """`[n, batch]`, the value of every query; NaN for those that are left out.

        Args:
            order: of the documents.
            labels: of the documents.
            gain: of `ndcg`.
            empty: what a query counts as that has nothing relevant.
        """
        k, mask = self.k or labels.mask.shape[-1], labels.mask
        if self.attribute is not None:
            return self._of_attribute(order, labels, k).masked_fill(~self.has_kinds(labels), FILLERS[empty])
        if self.name == "ndcg":
            return ndcg(discounted(order, k), labels.transformed, mask, gain, empty, labels.weights)
        mask = labels.known().mask
        raw = labels.raw.masked_fill(~mask, 0.0).double()
        weights = torch.ones_like(raw) if labels.weights is None else labels.weights
        if self.name in ("value", "mean-value"):
            found = top_sum(order, raw * weights, k)
            shown = labels.items.sum(-1).clamp(min=1, max=k)  # [batch]
            return (found / shown if self.name == "mean-value" else found).masked_fill(~mask.any(-1), math.nan)
        relevant = raw > 0 if self.name == "err" else self.relevant(raw, mask)
        weighted = relevant * weights
        measures: dict[str, Callable[[], Tensor]] = {
            "mrr": lambda: cascade(order, relevant.double(), k),
            "map": lambda: average_precision(order, relevant, k),
            "err": lambda: cascade(order, ((raw.exp2() - 1) / 2**self._top).clamp(0, 1), k),
            "precision": lambda: top_sum(order, weighted, k) / k,
            "recall": lambda: top_sum(order, weighted, k) / weighted.sum(-1).clamp(min=torch.finfo(torch.float64).tiny),
        }
        return measures[self.name]().masked_fill(~relevant.any(-1), FILLERS[empty])

    def has_kinds(self, labels: Labels) -> Tensor:
        """`[batch]` bool, True where the attribute tells some documents from others."""
        column = labels.attributes[str(self.attribute)]
        if self.name == "diversity":
            least, most = (column.masked_fill(~labels.items | column.isnan(), end) for end in (math.inf, -math.inf))
            return least.amin(-1) < most.amax(-1)
        group = column == self.option
        return (group & labels.items).any(-1) & (~group & labels.items).any(-1)

    def _of_attribute(self, order: Order, labels: Labels, k: int) -> Tensor:
        column, items = labels.attributes[str(self.attribute)], labels.items
        if self.name == "diversity":
            return distinct_categories(order, column, items, k)
        group = (column == self.option) & items
        share = exposure(order, group, items, k)
        return share if self.name == "exposure" else 1 - (share - group.sum(-1).double() / items.sum(-1)).abs()

    @property
    def _top(self) -> float:
        return GRADES if self.option is None else self.option


def metric_of(text: str, owner: str, k: int) -> Metric:
    """The metric that a text names.

    Args:
        text: such as `value@5`, `precision(rel=2)@10` or `map`.
        owner: the objective, for messages.
        k: ranks of `ndcg` where the text has none.

    Raises:
        ConfigError: there is no such metric.
    """
    found = SYNTAX.fullmatch(text)
    if found is None or found[1] not in KINDS:
        raise ConfigError(
            f"metric {text!r} of {owner!r}: no such metric; there are {', '.join(KINDS)}, each with a number of ranks, "
            "such as value@5 or precision(rel=2)@10."
        )
    name, option, value, ranks = found.groups()
    kind = KINDS[name]
    if kind.of_attribute is not None:
        return _metric_of_attribute(text, owner, found.groups())
    if option is not None and (option != kind.option or value is None):
        takes = f"takes only {kind.option}, as in {name}({kind.option}=2)@10" if kind.option else "takes no option"
        raise ConfigError(f"metric {text!r} of {owner!r}: there is no option {option!r}; {name} {takes}.")
    if ranks is None and kind.needs_k:
        raise ConfigError(f"metric {text!r} of {owner!r}: needs a number of ranks, such as {text}@5.")
    number = None if value is None else _number(value)
    if number is not None and not (math.isfinite(number) and (name != "err" or 0 < number <= 64)):
        allowed = "above 0 and at most 64" if name == "err" else "finite"
        raise ConfigError(f"metric {text!r} of {owner!r}: {option} is {value!r}, not a number that is {allowed}.")
    return Metric(text, name, int(ranks) if ranks else k if name == "ndcg" else None, number)


def _metric_of_attribute(text: str, owner: str, parts: tuple[Any, ...]) -> Metric:
    """A metric that reads an attribute, whose name is in brackets, with a value where a group is meant."""
    name, attribute, value, ranks = parts
    kind, wants_value = KINDS[name], "=" in str(KINDS[name].of_attribute)
    if attribute is None or wants_value != (value is not None) or (wants_value and not math.isfinite(_number(value))):
        raise ConfigError(f"metric {text!r} of {owner!r}: must name an attribute, as in {name}({kind.of_attribute})@10.")
    if ranks is None and kind.needs_k:
        raise ConfigError(f"metric {text!r} of {owner!r}: needs a number of ranks, such as {text}@5.")
    return Metric(text, name, int(ranks) if ranks else None, _number(value) if wants_value else None, attribute.strip())


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
