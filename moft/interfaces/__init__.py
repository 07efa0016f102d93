"""The verbs: what each kind of plugin does, one file for each kind."""

from __future__ import annotations

from moft.interfaces.conditioner import Conditioner
from moft.interfaces.evaluator import Evaluator, Lengthy
from moft.interfaces.indicator import Indicator
from moft.interfaces.loss import Loss
from moft.interfaces.method import Attentive, Foreseeing, Method, Problem
from moft.interfaces.model import Model
from moft.interfaces.policy import Answer, Policy, Steered, Telling
from moft.interfaces.process_group import Alone, ModuleT, Team
from moft.interfaces.sampler import AdaptiveSampler, Feedback, Sampler
from moft.interfaces.scalarizer import Scalarizer
from moft.interfaces.scorer import Scorer
from moft.interfaces.task import Context, Foreseen, Task
from moft.interfaces.tracker import Tracker
from moft.interfaces.trainer import Trainer

__all__ = [
    "AdaptiveSampler",
    "Alone",
    "Answer",
    "Attentive",
    "Conditioner",
    "Context",
    "Evaluator",
    "Feedback",
    "Foreseeing",
    "Foreseen",
    "Indicator",
    "Lengthy",
    "Loss",
    "Method",
    "Model",
    "ModuleT",
    "Policy",
    "Problem",
    "Sampler",
    "Scalarizer",
    "Scorer",
    "Steered",
    "Task",
    "Team",
    "Telling",
    "Tracker",
    "Trainer",
]
