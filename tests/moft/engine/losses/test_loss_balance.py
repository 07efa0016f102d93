"""Objectives without anything to learn are refused, and lists without it are counted."""

from __future__ import annotations

import pytest
import torch

from moft.engine.losses.loss_balance import note_unlabelled
from moft.engine.losses.objective_losses import LabelStatistics
from moft.errors import DataError
from moft.types import Objective


class Notes:
    def __init__(self):
        self.texts = []

    def note(self, text):
        self.texts.append(text)


def statistics(labelled, gradient):
    return LabelStatistics(4, torch.tensor(labelled, dtype=torch.float64), torch.tensor(gradient, dtype=torch.float64))


def test_an_objective_with_no_list_to_learn_from_is_refused():
    objectives, notes = (Objective("clicks"), Objective("revenue")), Notes()
    with pytest.raises(DataError, match=r"\[task.objectives.revenue\] none of the 4 training lists has labels that its loss can"):
        note_unlabelled(statistics([4, 0], [1.0, 0.0]), objectives, notes)
    note_unlabelled(statistics([3, 0], [1.0, 0.5]), objectives, notes)  # a loss may be zero at the base model
    assert [text.partition(" of")[0] for text in notes.texts] == ["clicks: 1", "revenue: 4"]
