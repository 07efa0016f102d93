"""The heavy face: every name that a plugin may import beside `moft` and `moft.testing`."""

from __future__ import annotations

from moft.config.build import component
from moft.config.read import read_value
from moft.engine.balance import loss_scale, note_unlabelled
from moft.engine.batching import length_grouped
from moft.engine.conditioning import check_slots, injected_linear, modulated, modulated_linear, refuse_misfit
from moft.engine.listed import batches_of
from moft.engine.network import ItemNetwork
from moft.engine.objectives import LabelStatistics, ObjectiveLosses, check_scalarizer, label_statistics
from moft.engine.plain import NearestPolicy, PlainModels, SoupPolicy
from moft.engine.policies import ConditionedPolicy, TemperaturePolicy
from moft.engine.profile import BasePolicy, base_values, profiled, unmeasured
from moft.engine.records import Account
from moft.engine.returned import failing_as, injection_of
from moft.engine.sampled import draws_of, grid_of
from moft.engine.scalarised import ScalarisedLosses, minimise_at
from moft.engine.seed import generator_for, seed_initialisation
from moft.engine.sharding import is_sharded
from moft.engine.statistics import hypervolume, nondominated
from moft.engine.train import AccelerateTrainer
from moft.engine.trainer_settings import TrainerSettings
from moft.hooks.manager import Plugins
from moft.interfaces import (
    AdaptiveSampler,
    Answer,
    Attentive,
    Conditioner,
    Context,
    Evaluator,
    Feedback,
    Indicator,
    Lengthy,
    Loss,
    Method,
    Model,
    Policy,
    Problem,
    Sampler,
    Scalarizer,
    Scorer,
    Steered,
    Task,
    Team,
    Telling,
    Tracker,
    Trainer,
)
from moft.jsonl import float_of, json_of
from moft.settings import Count, Default, Factory, Fraction, NonNegative, NonNegativeCount, Place, Positive, Several
from moft.types import (
    Batch,
    Batches,
    Delta,
    Front,
    Injection,
    Inputs,
    ListValues,
    ModelSpec,
    Objective,
    Run,
    Slot,
    Tradeoff,
    temperatures_of,
)
from moft.wheels import download_wheel, wheel_member
from moft.whole import whole_folder, write_bytes

__all__ = [
    "AccelerateTrainer",
    "Account",
    "AdaptiveSampler",
    "Answer",
    "Attentive",
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
    "Feedback",
    "Fraction",
    "Front",
    "Indicator",
    "Injection",
    "Inputs",
    "ItemNetwork",
    "LabelStatistics",
    "Lengthy",
    "ListValues",
    "Loss",
    "Method",
    "Model",
    "ModelSpec",
    "NearestPolicy",
    "NonNegative",
    "NonNegativeCount",
    "Objective",
    "ObjectiveLosses",
    "Place",
    "PlainModels",
    "Plugins",
    "Policy",
    "Positive",
    "Problem",
    "Run",
    "Sampler",
    "ScalarisedLosses",
    "Scalarizer",
    "Scorer",
    "Several",
    "Slot",
    "SoupPolicy",
    "Steered",
    "Task",
    "Team",
    "Telling",
    "TemperaturePolicy",
    "Tracker",
    "Tradeoff",
    "Trainer",
    "TrainerSettings",
    "base_values",
    "batches_of",
    "check_scalarizer",
    "check_slots",
    "component",
    "download_wheel",
    "draws_of",
    "failing_as",
    "float_of",
    "generator_for",
    "grid_of",
    "hypervolume",
    "injected_linear",
    "injection_of",
    "is_sharded",
    "json_of",
    "label_statistics",
    "length_grouped",
    "loss_scale",
    "minimise_at",
    "modulated",
    "modulated_linear",
    "nondominated",
    "note_unlabelled",
    "profiled",
    "read_value",
    "refuse_misfit",
    "seed_initialisation",
    "temperatures_of",
    "unmeasured",
    "wheel_member",
    "whole_folder",
    "write_bytes",
]
