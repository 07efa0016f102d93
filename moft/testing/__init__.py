"""What plugin authors test with: contracts, whose AssertionError says which promise was broken, and a toy task."""

from __future__ import annotations

from moft.testing.contracts_conditioner import check_conditioner
from moft.testing.contracts_evaluator import check_evaluator
from moft.testing.contracts_indicator import check_indicator
from moft.testing.contracts_loss import check_loss
from moft.testing.contracts_method import check_method
from moft.testing.contracts_model import check_model
from moft.testing.contracts_observer import check_observer
from moft.testing.contracts_plugin import check_plugin
from moft.testing.contracts_policy import check_policy
from moft.testing.contracts_sampler import check_sampler
from moft.testing.contracts_scalarizer import check_scalarizer
from moft.testing.contracts_scorer import check_scorer
from moft.testing.contracts_task import check_task
from moft.testing.contracts_tracker import check_tracker
from moft.testing.toy import ToyTask, best_scores, toy_policy, toy_task

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
    "check_sampler",
    "check_scalarizer",
    "check_scorer",
    "check_task",
    "check_tracker",
    "toy_policy",
    "toy_task",
]
