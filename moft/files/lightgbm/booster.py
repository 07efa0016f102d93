"""LightGBM boosters: made from the text of a model, asked for scores, and kept as tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from moft.errors import ConfigError, DataError
from moft.files.lightgbm.model_text import TreeModel


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


def load_booster(model: TreeModel, where: str = "[task.base.path] the LightGBM model", setting: str = "task.base") -> Any:
    """The LightGBM booster of checked trees; LightGBM sees only what `parse_lightgbm` has written.

    Args:
        model: the trees.
        where: what the model is, the beginning of a message.
        setting: that needs LightGBM.

    Raises:
        ConfigError: lightgbm is not installed.
        DataError: LightGBM cannot read the model.
    """
    lightgbm = import_lightgbm(setting)
    try:
        return lightgbm.Booster(model_str=model.text)
    except lightgbm.basic.LightGBMError as error:
        raise DataError(f"{where} cannot be read by LightGBM: {error}") from error


def booster_scores(
    booster: Any, features: NDArray[np.floating[Any]], where: str = "[task.base] the LightGBM model"
) -> NDArray[np.float64]:
    """`[items]`, raw scores of items with `features`, `[items, columns]`, computed with as many threads as torch has.

    Raises:
        DataError: a score is not finite; the message begins with `where`.
    """
    scores = np.asarray(booster.predict(features, raw_score=True, num_threads=torch.get_num_threads()), dtype=np.float64)
    if not np.isfinite(scores).all():
        raise DataError(f"{where} gives a document a score that is not a finite number.")
    return scores


def text_to_tensor(text: str) -> Tensor:
    """UTF-8 text as a tensor of bytes, which safetensors can store."""
    return torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8).clone()


def tensor_to_text(tensor: Tensor, where: str = "[task.base] the LightGBM model that the run keeps") -> str:
    """The text of a tensor from `text_to_tensor`.

    Raises:
        DataError: it holds no text; the message begins with `where`.
    """
    try:
        return tensor.to(torch.uint8).numpy().tobytes().decode()
    except UnicodeDecodeError as error:
        raise DataError(f"{where} is damaged: it is not text ({error}).") from error
