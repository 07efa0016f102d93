"""The heavy face: every name that a plugin may import beside `moft` and `moft.testing`."""

from __future__ import annotations

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
from moft.types import Batch, Delta, Front, Injection, Inputs, ListValues, ModelSpec, Objective, Run, Slot, Tradeoff

__all__ = [
    "Batch",
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
    "ListValues",
    "Loss",
    "Method",
    "Model",
    "ModelSpec",
    "NonNegative",
    "NonNegativeCount",
    "Objective",
    "Policy",
    "Positive",
    "Problem",
    "Run",
    "Sampler",
    "Scalarizer",
    "Slot",
    "Steered",
    "Task",
    "Trainer",
    "Tradeoff",
]
