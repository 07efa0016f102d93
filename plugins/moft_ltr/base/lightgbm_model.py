"""LightGBM models: read from a file's text, scored, and kept as a tensor."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from moft import ConfigError, DataError
from moft.api import Count, PathOrName

Floats = NDArray[np.float32]

MODEL_PARTS = ("num_class=", "max_feature_idx=", "end of trees")
"""Lines of every LightGBM model file; of one without them LightGBM complains past us, on stderr."""


@dataclass(frozen=True)
class LightGBMModel:
    """A gradient-boosted ranker, read from its text file.

    Args:
        path: model file, as LightGBM's `save_model` writes it.
        columns: the columns of the data, from 1, that are its features, in order; null for the inputs of the tuned ranker.
    """

    path: PathOrName
    name: Literal["lightgbm"] = "lightgbm"
    columns: list[Count] | None = None


def lightgbm_package() -> Any:
    """The package lightgbm.

    Raises:
        ConfigError: it is not installed, or lacks a library of the system.
    """
    try:
        import lightgbm
    except ImportError as error:
        raise ConfigError("[task.base] trees need the package lightgbm: pip install 'moft[lightgbm]'.") from error
    except OSError as error:  # a library that it needs
        raise ConfigError(f"[task.base] the package lightgbm is installed, but cannot be loaded ({error}).") from error
    return lightgbm


def booster_text(settings: LightGBMModel) -> str:
    """The model file's text.

    Raises:
        DataError: it cannot be read, or is no LightGBM model.
    """
    path = Path(settings.path).expanduser()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"[task.base.path] {settings.path}: cannot read a LightGBM model there ({error}).") from error
    if not text.startswith("tree"):
        raise DataError(f"[task.base.path] {settings.path}: begins with {text[:20]!r}; a LightGBM model file begins with 'tree'.")
    lacking = [part for part in MODEL_PARTS if part not in text]
    if lacking:
        raise DataError(f"[task.base.path] {settings.path}: is cut short or no LightGBM model; it has no line {lacking[0]!r}.")
    return text


def loaded_booster(text: str) -> Any:
    """The LightGBM booster of a model file's text.

    Raises:
        ConfigError: lightgbm is not installed.
        DataError: LightGBM refuses the text, or its model is no ranker.
    """
    lightgbm = lightgbm_package()
    try:
        booster = lightgbm.Booster(model_str=text)
    except lightgbm.basic.LightGBMError as error:
        raise DataError(f"[task.base.path] LightGBM cannot read the model: {error}") from error
    if booster.num_model_per_iteration() != 1:
        scores = booster.num_model_per_iteration()
        raise DataError(f"[task.base.path] the LightGBM model gives {scores} scores for each item; a ranker gives one.")
    return booster


def booster_scores(booster: Any, features: Floats) -> Floats:
    """`[items]`, raw scores for `features`, `[items, columns]`."""
    return np.asarray(booster.predict(features, raw_score=True), dtype=np.float32)


def text_tensor(text: str) -> Tensor:
    """UTF-8 text as a tensor of bytes, which safetensors can hold."""
    return torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8).clone()


def tensor_text(tensor: Tensor) -> str:
    """The text that `text_tensor` made a tensor."""
    return tensor.numpy().tobytes().decode()
