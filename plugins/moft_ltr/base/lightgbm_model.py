"""The base ranker `lightgbm`: loads a LightGBM model file, scores with it, and stores it as a tensor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from moft import ConfigError, DataError
from moft.api import Count, PathOrName, user_path

Floats = NDArray[np.float32]

MODEL_PARTS = ("num_class=", "max_feature_idx=", "end of trees")
"""Text that every LightGBM model file contains. It is checked here because LightGBM reports a broken file on stderr only."""


@dataclass(frozen=True)
class LightGBMModel:
    """A gradient-boosted ranker, loaded from a LightGBM model file.

    Args:
        path: model file, as written by LightGBM's `save_model`.
        columns: columns of the data, from 1, that are the model's features, in order; null for the inputs of the tuned ranker.
    """

    path: PathOrName
    name: Literal["lightgbm"] = "lightgbm"
    columns: list[Count] | None = None


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
        DataError: it cannot be read, or is not a LightGBM model.
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
    return text


def load_booster(text: str) -> Any:
    """The LightGBM booster of a model file's text.

    Raises:
        ConfigError: lightgbm is not installed.
        DataError: LightGBM cannot read the text, or the model gives more than one score for a document.
    """
    lightgbm = import_lightgbm()
    try:
        booster = lightgbm.Booster(model_str=text)
    except lightgbm.basic.LightGBMError as error:
        raise DataError(f"[task.base.path] LightGBM cannot read the model: {error}") from error
    if booster.num_model_per_iteration() != 1:
        scores = booster.num_model_per_iteration()
        raise DataError(f"[task.base.path] the LightGBM model gives {scores} scores for each document; a ranker gives one.")
    return booster


def booster_scores(booster: Any, features: Floats) -> Floats:
    """`[items]`, raw scores of documents with `features`, `[items, columns]`."""
    return np.asarray(booster.predict(features, raw_score=True), dtype=np.float32)


def text_to_tensor(text: str) -> Tensor:
    """UTF-8 text as a tensor of bytes, which safetensors can store."""
    return torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8).clone()


def tensor_to_text(tensor: Tensor) -> str:
    """The text of a tensor from `text_to_tensor`."""
    return tensor.numpy().tobytes().decode()
