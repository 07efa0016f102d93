"""The base ranker `lightgbm`: loads a LightGBM model file, scores with it, and stores it as a tensor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from moft import ConfigError, DataError
from moft.api import PathOrName, user_path
from moft_ltr.base.model_text import parse_model

Floats = NDArray[np.float32]

MODEL_PARTS = ("num_class=", "max_feature_idx=", "end of trees")
"""Text that every LightGBM model file contains."""


@dataclass(frozen=True)
class LightGBMModel:
    """A gradient-boosted ranker, loaded from a LightGBM model file.

    Args:
        path: model file, as written by LightGBM's `save_model`.
        columns: columns of the data, by number from 1 or by name, that are the model's features, in order; null for those of
            the same names where both have names, else for the inputs of the tuned ranker, if these are the first columns.
        missing: what to do where the model scores a zero of the data otherwise than a missing value, which the data cannot tell
            apart: `refuse` them with an error, or read each `zero` as one.
    """

    path: PathOrName
    name: Literal["lightgbm"] = "lightgbm"
    columns: list[int | str] | None = None
    missing: Literal["refuse", "zero"] = "refuse"


def import_lightgbm() -> Any:
    """The package lightgbm.

    Raises:
        ConfigError: it is not installed, or a system library that it needs is missing.
    """
    try:
        import lightgbm
    except ImportError as error:
        raise ConfigError("[task.base] trees need the package lightgbm: pip install 'moft[lightgbm]'.") from error
    except OSError as error:  # a missing system library
        raise ConfigError(f"[task.base] the package lightgbm is installed, but cannot be loaded ({error}).") from error
    return lightgbm


def read_model_text(settings: LightGBMModel) -> str:
    """The model file's text.

    Raises:
        DataError: it cannot be read, is not a LightGBM model, is damaged, or gives more than one score for a document.
    """
    path = user_path(settings.path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"[task.base.path] {settings.path}: cannot read the LightGBM model ({error}).") from error
    if not text.startswith("tree"):
        raise DataError(
            f"[task.base.path] {settings.path}: is not a LightGBM model file: it begins with {text[:20]!r}, not with 'tree'."
        )
    missing = [part for part in MODEL_PARTS if part not in text]
    if missing:
        raise DataError(
            f"[task.base.path] {settings.path}: is truncated or not a LightGBM model file: {missing[0]!r} is missing. Save the "
            "model again with save_model."
        )
    parse_model(text)
    return text


def load_booster(text: str) -> Any:
    """The LightGBM booster of the trees in a model file's text; LightGBM sees only what `parse_model` has checked.

    Raises:
        ConfigError: lightgbm is not installed.
        DataError: the text is damaged, LightGBM cannot read it, or the model gives more than one score for a document.
    """
    lightgbm = import_lightgbm()
    model = parse_model(text)
    try:
        return lightgbm.Booster(model_str=model.text)
    except lightgbm.basic.LightGBMError as error:
        raise DataError(f"[task.base.path] LightGBM cannot read the model: {error}") from error


def booster_scores(booster: Any, features: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """`[items]`, raw scores of documents with `features`, `[items, columns]`.

    Raises:
        DataError: a score is not finite.
    """
    scores = np.asarray(booster.predict(features, raw_score=True), dtype=np.float64)
    if not np.isfinite(scores).all():
        raise DataError("[task.base] the LightGBM model gives a document a score that is not a finite number.")
    return scores


def text_to_tensor(text: str) -> Tensor:
    """UTF-8 text as a tensor of bytes, which safetensors can store."""
    return torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8).clone()


def tensor_to_text(tensor: Tensor) -> str:
    """The text of a tensor from `text_to_tensor`.

    Raises:
        DataError: it holds no text.
    """
    try:
        return tensor.to(torch.uint8).numpy().tobytes().decode()
    except UnicodeDecodeError as error:
        raise DataError(f"[task.base] the LightGBM model that the run keeps is damaged: it is not text ({error}).") from error
