"""The evaluator of rankers: NDCG@k per objective and query, or the metrics that an objective names."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor

from moft import ConfigError, DataError
from moft.api import Batch, ListValues, Objective, Steered
from moft_ltr.metrics.named_metrics import Labels, Metric, metric_of
from moft_ltr.metrics.ranking import Order, Ranking, ordered, ranking
from moft_ltr.metrics.tied_metrics import Empty, ndcg

__all__ = ["NDCG", "Empty", "Ranking", "ndcg", "ranking"]


class NDCG:
    """Normalised discounted cumulative gain of every objective and of the main one, or the metrics that an objective names.

    Args:
        k: number of top ranks that count; of `ndcg` only.
        empty: what a query without gain (no label above 0, no relevant document) counts as: `skip` leaves it out of the mean,
            `one` counts 1, `zero` counts 0. This alone can change the mean of a dataset by several points.

    Raises:
        ConfigError: an objective names a metric that does not exist.
    """

    def __init__(
        self,
        objectives: tuple[Objective, ...],
        main: Objective | None,
        *,
        k: Annotated[int, Ge(1), Le(999_999_999)] = 10,
        empty: Empty = "skip",
    ) -> None:
        self._objectives, self._main, self._empty = objectives, main, empty
        self._measured = [*objectives, *([main] if main is not None else [])]
        self._metrics: list[list[Metric]] = [
            [metric_of(text, objective.name, k) for text in objective.metrics or (f"ndcg@{k}",)] for objective in self._measured
        ]
        for objective, metrics in zip(self._measured, self._metrics, strict=True):
            if len(set(metrics)) < len(metrics):
                raise ConfigError(f"metric of {objective.name!r}: one is listed twice in {', '.join(objective.metrics)}.")
        self.metric = self._own_words() if any(each.metrics for each in self._measured) else self._usual_words(k)

    def check_labels(self, batches: Iterable[Batch], *, is_whole: bool) -> None:
        """Checks that the metrics that objectives name can be measured on these labels.

        Raises:
            ConfigError: a metric cannot be weighted by document, or documents are never of two kinds, relevant and not.
            DataError: a label is out of a metric's range, or there is none.
        """
        named = [(index, metric) for index, metrics in enumerate(self._metrics) for metric in metrics if metric.name != "ndcg"]
        with_label, with_both = set[tuple[int, Metric]](), set[tuple[int, Metric]]()
        for batch in batches if named else ():
            for index, metric in named:
                labels = self._labels(batch, index).known()
                if metric.attribute is not None:
                    _check_attribute(self._measured[index], metric, labels)
                    if bool(metric.has_kinds(labels).any()):
                        with_both.add((index, metric))
                    continue
                _check_weights(self._measured[index], metric, labels)
                _check_range(self._measured[index], metric, labels, batch)
                if labels.mask.any():
                    with_label.add((index, metric))
                relevant = metric.relevant(labels.raw, labels.mask)
                if bool((relevant.any(-1) & (labels.items & ~relevant).any(-1)).any()):
                    with_both.add((index, metric))
        for index, metric in named if is_whole else ():
            objective = self._measured[index]
            if metric.attribute is not None:
                if (index, metric) not in with_both:
                    raise ConfigError(
                        f"{metric.text} of {objective.name!r}: no query has documents of different kinds by the attribute "
                        f"{metric.attribute!r}, so every ranking has the same value."
                    )
                continue
            if (index, metric) not in with_label:
                raise DataError(
                    f"{metric.text} of {objective.name!r}: there is no label as in the data of which more is better "
                    f"({objective.label}); take ndcg, which measures labels after their transform."
                )
            if metric.uses_relevance and (index, metric) not in with_both:
                threshold = "above 0" if metric.option is None else f"of {metric.option:g} or more"
                raise ConfigError(
                    f"{metric.text} of {objective.name!r}: in no query are some documents relevant (a label {threshold}) and "
                    "others not, so every ranking has the same value; set the least relevant label, as in "
                    f"{metric.name}(rel=2)@10."
                )

    def __call__(self, steered: Steered, batches: Iterable[Batch]) -> ListValues:
        parts: list[list[Tensor]] = [[] for metrics in self._metrics for _ in metrics]
        mains, lists = [], []
        for batch in batches:
            order = ordered(steered(batch), batch.items)
            for part, values in zip(parts, self._values(order, batch), strict=True):
                part.append(values.cpu())  # [n, batch]
            if self._main is None:
                mains.append(torch.full(order.documents.shape[:2], math.nan))
            lists.append(batch.lists.cpu())
        series = [torch.cat(part, dim=1) for part in parts]  # [n, lists] each
        firsts, more, start = list[Tensor](), dict[str, Tensor](), 0
        for objective, metrics in zip(self._measured, self._metrics, strict=True):
            firsts.append(series[start])
            more |= {f"{objective.name} {metric.text}": series[start + at] for at, metric in enumerate(metrics) if at}
            start += len(metrics)
        main = torch.cat(mains, dim=1) if self._main is None else firsts.pop()
        return ListValues(torch.stack(firsts, dim=-1), main, torch.cat(lists), more)

    def _values(self, order: Order, batch: Batch) -> Iterator[Tensor]:
        """`[n, batch]` of every metric."""
        for index, (objective, metrics) in enumerate(zip(self._measured, self._metrics, strict=True)):
            labels = self._labels(batch, index)
            for metric in metrics:
                yield metric(order, labels, objective.gain, self._empty)

    def _labels(self, batch: Batch, index: int) -> Labels:
        """The labels of the objective `index`, of which the main one is the last."""
        if index < len(self._objectives):
            raw = batch.labels if batch.raw_labels is None else batch.raw_labels
            mask, labels = batch.mask[..., index], batch.labels[..., index]
            weights = None if batch.item_weights is None else batch.item_weights[..., index]
            return Labels(labels, raw[..., index], mask, batch.items, weights, batch.attributes)
        raw = batch.main if batch.raw_main is None else batch.raw_main
        return Labels(batch.main, raw, batch.items, batch.items, attributes=batch.attributes)

    def _usual_words(self, k: int) -> str:
        gain_formulas = {"linear": "the label itself", "exp2": "2^label - 1"}
        gains = "; ".join(
            f"{', '.join(o.name for o in self._measured if o.gain == gain)}: {formula}"
            for gain, formula in gain_formulas.items()
            if any(o.gain == gain for o in self._measured)
        )
        empties = {"skip": "are skipped", "one": "count 1", "zero": "count 0"}[self._empty]
        return (
            f"NDCG@{k} (gain {gains}; discount 1/log2(rank+1); queries without gain {empties}; tied documents share their ranks)"
        )

    def _own_words(self) -> str:
        """The metric of each objective, after the short names of the first ones, which titles show."""
        empties = {"skip": "are skipped", "one": "count 1", "zero": "count 0"}[self._empty]
        lines = []
        for objective, metrics in zip(self._measured, self._metrics, strict=True):
            words = [metric.words(objective.gain, empties) for metric in metrics]
            lines.append(f"{objective.name} {', and beside it '.join(words)}")
        firsts = dict.fromkeys(metrics[0].text for metrics in self._metrics[: len(self._objectives)])
        return f"{'/'.join(firsts)}: {'; '.join(lines)}; means over all orders of tied documents"


def _check_attribute(objective: Objective, metric: Metric, labels: Labels) -> None:
    if metric.attribute not in labels.attributes:
        known = ", ".join(labels.attributes) or "none; name its column in task.attributes"
        raise ConfigError(f"{metric.text} of {objective.name!r}: there is no attribute {metric.attribute!r}; there are {known}.")


def _check_weights(objective: Objective, metric: Metric, labels: Labels) -> None:
    if labels.weights is not None and not metric.is_sum and bool((labels.weights != 1)[labels.items].any()):
        raise ConfigError(
            f"{metric.text} of {objective.name!r}: cannot weight documents by their propensity, as it is no sum over documents; "
            "take ndcg, precision, recall or value, or leave the objective out of task.propensity.objectives."
        )


def _check_range(objective: Objective, metric: Metric, labels: Labels, batch: Batch) -> None:
    wrong = metric.misfit(labels.raw, labels.mask)
    if wrong.any():
        row, item = wrong.nonzero()[0].tolist()
        raise DataError(
            f"{metric.text} of {objective.name!r}: document {int(labels.items[row, : item + 1].sum())} of query "
            f"{int(batch.lists[row]) + 1} of the split has the label {labels.raw[row, item].item():g} ({objective.label}); "
            f"err needs {metric.advice()}."
        )
