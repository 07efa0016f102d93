"""Every name that a plugin may import beside those of `moft` and `moft.testing`; importing it imports torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from moft.config.build_component import component
from moft.config.config_file import read_config, read_value
from moft.config.config_template import objective_name, rendered_config
from moft.engine.checks.return_values import checked_injection, failing_as
from moft.engine.checks.sampler_draws import checked_draws, checked_grid
from moft.engine.checks.training_betas import beta_shares, checked_betas
from moft.engine.choices.wish_settings import WishSettings
from moft.engine.conflict.conflict_report import ConflictReport, LabelledLists, agreement_table, conflict_report, report_table
from moft.engine.conflict.list_conflicts import label_agreement
from moft.engine.data.bounded_rendering import Chat, ChatFault, render_chats
from moft.engine.data.in_memory_lists import batches_of
from moft.engine.data.length_batching import length_grouped
from moft.engine.distributed.fsdp import is_sharded
from moft.engine.fronts.base_model_policy import BasePolicy, base_values
from moft.engine.fronts.hypervolume import hypervolume, nondominated
from moft.engine.fronts.measure_front import measure_front, problem_without_validation
from moft.engine.losses.loss_balance import loss_scale, note_unlabelled
from moft.engine.losses.loss_derivatives import LossDerivatives, loss_derivatives, sum_derivatives
from moft.engine.losses.objective_losses import LabelStatistics, ObjectiveLosses, check_losses, check_scalarizer, label_statistics
from moft.engine.policies.apply_injection import check_slots, injected_linear, modulated, modulated_linear, refuse_misfit
from moft.engine.policies.boosted_trees import (
    BoostedTrees,
    ContinuesTrees,
    TradeoffFeatures,
    continued_texts,
    steerable_text,
)
from moft.engine.policies.conditioned_policy import ConditionedPolicy, TemperaturePolicy
from moft.engine.policies.dedicated_models import DedicatedModels, NearestPolicy, SoupPolicy
from moft.engine.policies.dedicated_training import ScalarisedLosses, WeightGrid, minimise_at
from moft.engine.policies.item_mlp import ItemNetwork
from moft.engine.policies.summed_trees import SummedTrees
from moft.engine.seed import generator_for, seed_initialisation
from moft.engine.training.jobs.job_records import TrainingCost
from moft.engine.training.trainer import AccelerateTrainer
from moft.engine.training.trainer_settings import TrainerSettings
from moft.files.atomic_write import atomic_folder, atomic_write, is_free, temporary_folder
from moft.files.cache_folder import cache_advice
from moft.files.hub import check_hub, note_hub_request
from moft.files.json import float_of, json_of, parse_json
from moft.files.lightgbm.booster import booster_scores, import_lightgbm, load_booster, tensor_to_text, text_to_tensor
from moft.files.lightgbm.exported_model import exported_model, feature_names
from moft.files.lightgbm.fold_columns import fold_columns
from moft.files.lightgbm.model_text import TreeModel, join_models, parse_lightgbm
from moft.files.lightgbm.onnx_trees import OnnxTrees, onnx_trees
from moft.files.lightgbm.recode_columns import recode_columns
from moft.files.lightgbm.vectorised_trees import tree_scores
from moft.files.package_download import download_wheel, wheel_member
from moft.files.user_path import user_path
from moft.hooks.plugin_manager import Plugins
from moft.interfaces import (
    AdaptiveSampler,
    ArrayReader,
    Asks,
    Assignment,
    Conditioner,
    ConfigRequest,
    Context,
    ContextLoss,
    EncodedPrompt,
    Evaluator,
    ExampleQuery,
    Feedback,
    Finish,
    GeneratedText,
    HasDerivatives,
    HasFormula,
    HasSumDerivatives,
    Indicator,
    InputCheck,
    LabelledTexts,
    ListContext,
    LongEvaluator,
    Loss,
    Method,
    Model,
    NamedMetrics,
    OffersPrompts,
    OffersQueries,
    Policy,
    Problem,
    ProcessGroup,
    ProvidesFeatures,
    Reader,
    ReadsArrays,
    ReportsFindings,
    RoundsWeights,
    Sampler,
    Scalarizer,
    Scorer,
    Steered,
    Task,
    TextEngine,
    TextEngineSettings,
    TextEvent,
    TextPiece,
    TextRequest,
    TextSettings,
    TextStream,
    TokenSampling,
    TokenScore,
    Tracker,
    Trainer,
    UsesAdaptiveSampler,
    WeightedSum,
    formula_of,
)
from moft.interrupts import heeding_signals, when_interrupted
from moft.renames import missing_name, new_name
from moft.secret_values import redacted
from moft.setting_types import (
    Count,
    Default,
    Draws,
    Epochs,
    Factory,
    Fraction,
    FromList,
    Layers,
    NonNegative,
    NonNegativeCount,
    PathOrName,
    Positive,
    Rank,
    Seed,
    Width,
)
from moft.suggestions import printable
from moft.types import (
    Batch,
    Batches,
    Delta,
    FeatureTable,
    Front,
    Injection,
    Inputs,
    ListValues,
    ModelSpec,
    Nouns,
    Objective,
    ReferenceTrees,
    Run,
    Slot,
    Tradeoff,
    betas_of,
)

__all__ = [
    "AccelerateTrainer",
    "AdaptiveSampler",
    "ArrayReader",
    "Asks",
    "Assignment",
    "BasePolicy",
    "Batch",
    "Batches",
    "BoostedTrees",
    "Chat",
    "ChatFault",
    "ConditionedPolicy",
    "Conditioner",
    "ConfigRequest",
    "ConflictReport",
    "Context",
    "ContextLoss",
    "ContinuesTrees",
    "Count",
    "DedicatedModels",
    "Default",
    "Delta",
    "Draws",
    "EncodedPrompt",
    "Epochs",
    "Evaluator",
    "ExampleQuery",
    "Factory",
    "FeatureTable",
    "Feedback",
    "Finish",
    "Fraction",
    "FromList",
    "Front",
    "GeneratedText",
    "HasDerivatives",
    "HasFormula",
    "HasSumDerivatives",
    "Indicator",
    "Injection",
    "InputCheck",
    "Inputs",
    "ItemNetwork",
    "LabelStatistics",
    "LabelledLists",
    "LabelledTexts",
    "Layers",
    "ListContext",
    "ListValues",
    "LongEvaluator",
    "Loss",
    "LossDerivatives",
    "Method",
    "Model",
    "ModelSpec",
    "NamedMetrics",
    "NearestPolicy",
    "NonNegative",
    "NonNegativeCount",
    "Nouns",
    "Objective",
    "ObjectiveLosses",
    "OffersPrompts",
    "OffersQueries",
    "OnnxTrees",
    "PathOrName",
    "Plugins",
    "Policy",
    "Positive",
    "Problem",
    "ProcessGroup",
    "ProvidesFeatures",
    "Rank",
    "Reader",
    "ReadsArrays",
    "ReferenceTrees",
    "ReportsFindings",
    "RoundsWeights",
    "Run",
    "Sampler",
    "ScalarisedLosses",
    "Scalarizer",
    "Scorer",
    "Seed",
    "Slot",
    "SoupPolicy",
    "Steered",
    "SummedTrees",
    "Task",
    "TemperaturePolicy",
    "TextEngine",
    "TextEngineSettings",
    "TextEvent",
    "TextPiece",
    "TextRequest",
    "TextSettings",
    "TextStream",
    "TokenSampling",
    "TokenScore",
    "Tracker",
    "Tradeoff",
    "TradeoffFeatures",
    "Trainer",
    "TrainerSettings",
    "TrainingCost",
    "TreeModel",
    "UsesAdaptiveSampler",
    "WeightGrid",
    "WeightedSum",
    "Width",
    "WishSettings",
    "agreement_table",
    "atomic_folder",
    "atomic_write",
    "base_values",
    "batches_of",
    "beta_shares",
    "betas_of",
    "booster_scores",
    "cache_advice",
    "check_hub",
    "check_losses",
    "check_scalarizer",
    "check_slots",
    "checked_betas",
    "checked_draws",
    "checked_grid",
    "checked_injection",
    "component",
    "conflict_report",
    "continued_texts",
    "download_wheel",
    "exported_model",
    "failing_as",
    "feature_names",
    "float_of",
    "fold_columns",
    "formula_of",
    "generator_for",
    "heeding_signals",
    "hypervolume",
    "import_lightgbm",
    "injected_linear",
    "is_free",
    "is_sharded",
    "join_models",
    "json_of",
    "label_agreement",
    "label_statistics",
    "length_grouped",
    "load_booster",
    "loss_derivatives",
    "loss_scale",
    "measure_front",
    "minimise_at",
    "modulated",
    "modulated_linear",
    "new_name",
    "nondominated",
    "note_hub_request",
    "note_unlabelled",
    "objective_name",
    "onnx_trees",
    "parse_json",
    "parse_lightgbm",
    "printable",
    "problem_without_validation",
    "read_config",
    "read_value",
    "recode_columns",
    "redacted",
    "refuse_misfit",
    "render_chats",
    "rendered_config",
    "report_table",
    "seed_initialisation",
    "steerable_text",
    "sum_derivatives",
    "temporary_folder",
    "tensor_to_text",
    "text_to_tensor",
    "tree_scores",
    "user_path",
    "wheel_member",
    "when_interrupted",
]

if not TYPE_CHECKING:  # else type checkers would accept any name

    def __getattr__(name: str) -> NoReturn:
        raise missing_name(__name__, name)
