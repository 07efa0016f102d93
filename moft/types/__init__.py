"""Frozen records that the engine and its plugins exchange."""

from __future__ import annotations

from moft.types.batch import Batch, Batches, Inputs
from moft.types.feature_table import FeatureTable, ReferenceTrees
from moft.types.front import MAIN, Front, ListValues, list_mean
from moft.types.injection import Delta, Injection, ModelSpec, Slot
from moft.types.objective import LossFunction, Objective, betas_of
from moft.types.run_info import Run
from moft.types.task_nouns import Nouns
from moft.types.tradeoff import Tradeoff

__all__ = [
    "MAIN",
    "Batch",
    "Batches",
    "Delta",
    "FeatureTable",
    "Front",
    "Injection",
    "Inputs",
    "ListValues",
    "LossFunction",
    "ModelSpec",
    "Nouns",
    "Objective",
    "ReferenceTrees",
    "Run",
    "Slot",
    "Tradeoff",
    "betas_of",
    "list_mean",
]
