"""The heavy face: every name that a plugin may import beside `moft` and `moft.testing`."""

from __future__ import annotations

from moft.engine.batching import length_grouped
from moft.engine.conditioning import injected_linear, modulated, modulated_linear
from moft.engine.objectives import LabelStatistics, ObjectiveLosses, label_statistics
from moft.engine.policies import ConditionedPolicy
from moft.engine.profile import BasePolicy, base_values, profiled
from moft.engine.seed import generator_for, seed_initialisation
from moft.engine.statistics import hypervolume, nondominated
from moft.engine.train import AccelerateTrainer, TrainerSettings
from moft.interfaces import (
    Conditioner,
    Context,
    Evaluator,
    Indicator,
    Loss,
    Method,
    Model,
    Policy,
    Problem,
    Sampler,
    Scalarizer,
    Steered,
    Task,
    Trainer,
)
from moft.settings import Count, Default, Factory, Fraction, NonNegative, NonNegativeCount, Positive
from moft.types import Batch, Batches, Delta, Front, Injection, Inputs, ListValues, ModelSpec, Objective, Run, Slot, Tradeoff

__all__ = [
    "AccelerateTrainer",
    "BasePolicy",
    "Batch",
    "Batches",
    "ConditionedPolicy",
    "Conditioner",
    "Context",
    "Count",
    "Default",
    "Delta",
    "Evaluator",
    "Factory",
    "Fraction",
    "Front",
    "Indicator",
    "Injection",
    "Inputs",
    "LabelStatistics",
    "ListValues",
    "Loss",
    "Method",
    "Model",
    "ModelSpec",
    "NonNegative",
    "NonNegativeCount",
    "Objective",
    "ObjectiveLosses",
    "Policy",
    "Positive",
    "Problem",
    "Run",
    "Sampler",
    "Scalarizer",
    "Slot",
    "Steered",
    "Task",
    "Tradeoff",
    "Trainer",
    "TrainerSettings",
    "base_values",
    "generator_for",
    "hypervolume",
    "injected_linear",
    "label_statistics",
    "length_grouped",
    "modulated",
    "modulated_linear",
    "nondominated",
    "profiled",
    "seed_initialisation",
]
