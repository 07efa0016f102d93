"""The interfaces of plugins: an abstract class or protocol for each kind, one file each."""

from __future__ import annotations

from moft.interfaces.conditioner import Conditioner, HasFormula, formula_of
from moft.interfaces.evaluator import Evaluator, LongEvaluator, NamedMetrics
from moft.interfaces.example_inputs import ExampleQuery, OffersPrompts, OffersQueries
from moft.interfaces.generated_text import GeneratedText, TextPiece, TextPrompt
from moft.interfaces.indicator import Indicator
from moft.interfaces.loss import Asks, ContextLoss, HasDerivatives, HasSumDerivatives, ListContext, Loss
from moft.interfaces.method import ChecksLabels, EarlyChecks, Method, Problem, ReadsFeatures, UsesAdaptiveSampler
from moft.interfaces.model import Model
from moft.interfaces.policy import Assignment, Policy, ReportsFindings, Steered
from moft.interfaces.process_group import ModuleT, ProcessGroup, SingleProcess
from moft.interfaces.reader import LabelledTexts, Reader
from moft.interfaces.sampler import AdaptiveSampler, Feedback, Sampler
from moft.interfaces.scalarizer import Scalarizer, WeightedSum
from moft.interfaces.scorer import Scorer
from moft.interfaces.task import (
    ArrayReader,
    ChecksInputs,
    ConfigRequest,
    Context,
    InputCheck,
    KnowsModelSpec,
    ProvidesFeatures,
    ReadsArrays,
    ReadsFrames,
    Task,
    WritesStartingConfig,
)
from moft.interfaces.text_engine import (
    EncodedPrompt,
    Finish,
    RoundsWeights,
    TextEngine,
    TextEngineSettings,
    TextEvent,
    TextRequest,
    TextStream,
    TokenSampling,
    TokenScore,
)
from moft.interfaces.text_settings import TextSettings
from moft.interfaces.tracker import Tracker
from moft.interfaces.trainer import Trainer

__all__ = [
    "AdaptiveSampler",
    "ArrayReader",
    "Asks",
    "Assignment",
    "ChecksInputs",
    "ChecksLabels",
    "Conditioner",
    "ConfigRequest",
    "Context",
    "ContextLoss",
    "EarlyChecks",
    "EncodedPrompt",
    "Evaluator",
    "ExampleQuery",
    "Feedback",
    "Finish",
    "GeneratedText",
    "HasDerivatives",
    "HasFormula",
    "HasSumDerivatives",
    "Indicator",
    "InputCheck",
    "KnowsModelSpec",
    "LabelledTexts",
    "ListContext",
    "LongEvaluator",
    "Loss",
    "Method",
    "Model",
    "ModuleT",
    "NamedMetrics",
    "OffersPrompts",
    "OffersQueries",
    "Policy",
    "Problem",
    "ProcessGroup",
    "ProvidesFeatures",
    "Reader",
    "ReadsArrays",
    "ReadsFeatures",
    "ReadsFrames",
    "ReportsFindings",
    "RoundsWeights",
    "Sampler",
    "Scalarizer",
    "Scorer",
    "SingleProcess",
    "Steered",
    "Task",
    "TextEngine",
    "TextEngineSettings",
    "TextEvent",
    "TextPiece",
    "TextPrompt",
    "TextRequest",
    "TextSettings",
    "TextStream",
    "TokenSampling",
    "TokenScore",
    "Tracker",
    "Trainer",
    "UsesAdaptiveSampler",
    "WeightedSum",
    "WritesStartingConfig",
    "formula_of",
]
