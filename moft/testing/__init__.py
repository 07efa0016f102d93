"""For the tests of plugins: a contract for each kind, whose AssertionError gives the broken rule, and a toy task."""

from __future__ import annotations

from moft.testing.contracts.conditioner import check_conditioner
from moft.testing.contracts.evaluator import check_evaluator
from moft.testing.contracts.indicator import check_indicator
from moft.testing.contracts.loss import check_loss
from moft.testing.contracts.method import check_method
from moft.testing.contracts.model import check_model
from moft.testing.contracts.observer import check_observer
from moft.testing.contracts.plugin import check_plugin
from moft.testing.contracts.policy import check_policy
from moft.testing.contracts.reader import check_reader
from moft.testing.contracts.sampler import check_sampler
from moft.testing.contracts.scalarizer import check_scalarizer
from moft.testing.contracts.scorer import check_scorer
from moft.testing.contracts.task import check_task
from moft.testing.contracts.tracker import check_tracker
from moft.testing.toy_task_and_policy import ToyTask, best_scores, toy_policy, toy_task

__all__ = [
    "ToyTask",
    "best_scores",
    "check_conditioner",
    "check_evaluator",
    "check_indicator",
    "check_loss",
    "check_method",
    "check_model",
    "check_observer",
    "check_plugin",
    "check_policy",
    "check_reader",
    "check_sampler",
    "check_scalarizer",
    "check_scorer",
    "check_task",
    "check_tracker",
    "toy_policy",
    "toy_task",
]
