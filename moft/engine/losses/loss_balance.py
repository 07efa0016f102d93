"""What each objective's loss is multiplied by, from what its training labels say."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from moft.engine.losses.objective_losses import LabelStatistics
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

    Args:
        statistics: of the training labels.
        objectives: in order.
        trainer: keeps the notes.
        nouns: the task's word for lists.
    """
    for objective, labelled in zip(objectives, statistics.labelled.tolist(), strict=True):
        if labelled < statistics.lists:
            trainer.note(
                f"{objective.name}: {statistics.lists - int(labelled)} of {statistics.lists} training {nouns.lists} have no "
                "usable labels for it and are left out of its mean."
            )
