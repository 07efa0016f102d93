"""LightGBM boosters: made from the text of a model, asked for scores, and kept as tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from moft.errors import ConfigError, DataError
from moft.files.lightgbm_text import RESAVE, parse_lightgbm


def import_lightgbm(setting: str = "task.base") -> Any:
    """The package lightgbm, which `setting` needs.

    Raises:
        ConfigError: it is not installed, or a system library that it needs is missing.
    """
    try:
        import lightgbm
    except ImportError as error:
        raise ConfigError(f"[{setting}] trees need the package lightgbm: pip install 'moft[lightgbm]'.") from error
    except OSError as error:  # a missing system library
        raise ConfigError(f"[{setting}] the package lightgbm is installed, but cannot be loaded ({error}).") from error
    return lightgbm


def load_booster(text: str, where: str = "[task.base.path] the LightGBM model", advice: str = RESAVE) -> Any:
    """The LightGBM booster of the trees in a model file's text; LightGBM sees only what `parse_lightgbm` has checked.

    Args:
        text: the text.
        where: what the model is, the beginning of a message.
        advice: what to do about a damaged model, the end of a message.

    Raises:
        ConfigError: lightgbm is not installed.
        DataError: the text is damaged, LightGBM cannot read it, or the model gives more than one score for a document.
    """
    lightgbm = import_lightgbm()
    model = parse_lightgbm(text, where, advice)
    try:
        return lightgbm.Booster(model_str=model.text)
    except lightgbm.basic.LightGBMError as error:
        raise DataError(f"{where} cannot be read by LightGBM: {error}") from error


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
