"""The heavy face: every name that a plugin may import beside `moft` and `moft.testing`."""

from __future__ import annotations

from moft.config.build import component
from moft.config.config_file import read_value
from moft.engine.checks.return_values import failing_as, injection_of
from moft.engine.checks.sampler_draws import draws_of, grid_of
from moft.engine.data.in_memory_lists import batches_of
from moft.engine.data.length_batching import length_grouped
from moft.engine.distributed.fsdp import is_sharded
from moft.engine.fronts.hypervolume import hypervolume, nondominated
from moft.engine.fronts.profile import BasePolicy, base_values, profiled, unmeasured
from moft.engine.losses.loss_balance import loss_scale, note_unlabelled
from moft.engine.losses.objective_losses import LabelStatistics, ObjectiveLosses, check_scalarizer, label_statistics
from moft.engine.policies.apply_injection import check_slots, injected_linear, modulated, modulated_linear, refuse_misfit
from moft.engine.policies.conditioned import ConditionedPolicy, TemperaturePolicy
from moft.engine.policies.dedicated_models import NearestPolicy, PlainModels, SoupPolicy
from moft.engine.policies.dedicated_training import ScalarisedLosses, minimise_at
from moft.engine.policies.item_mlp import ItemNetwork
from moft.engine.seed import generator_for, seed_initialisation
from moft.engine.training.job_records import Account
from moft.engine.training.trainer import AccelerateTrainer
from moft.engine.training.trainer_settings import TrainerSettings
from moft.files.atomic_write import whole_folder, write_bytes
from moft.files.json import float_of, json_of
from moft.files.wheel import download_wheel, wheel_member
from moft.hooks.plugin_manager import Plugins
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
from moft.setting_types import Count, Default, Factory, Fraction, NonNegative, NonNegativeCount, Place, Positive, Several
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
