"""Checks an objective that has no column of labels, because its loss and its metric read attributes."""

from __future__ import annotations

from collections.abc import Mapping

from moft import ConfigError
from moft.api import ContextLoss
from moft_ltr.data.label_transforms import LabelColumn, metric_names
from moft_ltr.metrics.named_metrics import metric_of


def check_has_labels(name: str, label: LabelColumn, attributes: Mapping[str, int | str]) -> None:
    """Checks that an objective has labels, or a loss and metrics that need none, and that the attributes of its loss exist.

    Raises:
        ConfigError: it does not.
    """
    read = label.loss.asks.attributes if isinstance(label.loss, ContextLoss) else ()
    for attribute in read:
        if attribute not in attributes:
            known = ", ".join(attributes) or "none"
            raise ConfigError(
                f"[task.objectives.{name}.loss] reads the attribute {attribute!r}; task.attributes has {known}. Add "
                f"attributes: {{{attribute}: COLUMN}}."
            )
    if label.column is not None:
        return
    if not read:
        raise ConfigError(
            f"[task.objectives.{name}.column] is null; only an objective whose loss reads attributes, such as exposure, has no "
            "column of labels."
        )
    wanting = [text for text in metric_names(label) or ("ndcg",) if metric_of(text, name, 10).attribute is None]
    if wanting:
        raise ConfigError(
            f"[task.objectives.{name}.metric] {wanting[0]!r} reads labels, and the objective has no column; write one that reads "
            f"an attribute, such as diversity({read[0]})@10."
        )
