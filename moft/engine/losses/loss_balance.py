"""The factor of each objective's loss, from statistics of its training labels."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from moft.engine.losses.objective_losses import LabelStatistics
from moft.errors import DataError
from moft.interfaces import Trainer
from moft.types import Nouns, Objective


def loss_scale(statistics: LabelStatistics, *, is_balanced: bool) -> Tensor:
    """`[m]`, what each objective's loss is multiplied by.

    Args:
        statistics: of the training labels.
        is_balanced: True divides by the gradient's size too, relative to the geometric mean over objectives.

    Returns: at least the inverse of the share of lists that are labelled, so that a mean is over those lists only.
    """
    scale = 1 / statistics.share.clamp(min=1 / statistics.lists)
    if is_balanced:
        gradient = statistics.gradient.clamp(min=1e-12)
        scale = scale * gradient.log().mean().exp() / gradient
    return scale.float()


def note_unlabelled(
    statistics: LabelStatistics,
    objectives: Sequence[Objective],
    trainer: Trainer,
    nouns: Nouns = Nouns(),  # noqa: B008 - a frozen record
) -> None:
    """Notes how many training lists have no labels that an objective can learn from, for each objective with such lists.

    Raises:
        DataError: an objective has no list that it can learn from.

    Args:
        statistics: of the training labels.
        objectives: in order.
        trainer: keeps the notes.
        nouns: the task's word for lists.
    """
    for objective, labelled, gradient in zip(objectives, statistics.labelled.tolist(), statistics.gradient.tolist(), strict=True):
        if labelled == 0 and gradient == 0:
            raise DataError(
                f"[task.objectives.{objective.name}] none of the {statistics.lists} training {nouns.lists} has labels that its "
                "loss can learn from; choose another loss, or another transform of its labels."
            )
        if labelled < statistics.lists:
            trainer.note(
                f"{objective.name}: {statistics.lists - int(labelled)} of {statistics.lists} training {nouns.lists} have no "
                "usable labels for it and are left out of its mean."
            )
