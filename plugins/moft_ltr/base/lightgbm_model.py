"""The base ranker `lightgbm`: the settings and the text of a LightGBM model file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from moft import DataError
from moft.api import PathOrName, parse_lightgbm, user_path

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
    parse_lightgbm(text)
    return text
