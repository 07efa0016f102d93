"""Checks of a model's weights: none is missing, all have the right shape and are finite."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from moft import DataError
from moft.api import json_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel


LOADING_OPTIONS = {"output_loading_info": True, "ignore_mismatched_sizes": True}
"""Options of `from_pretrained` that `check_complete` needs."""


def check_complete(loading_info: Mapping[str, Any], model: PreTrainedModel, name: str, file: str) -> None:
    """Checks that a file has every weight of a model, in its shape; transformers draws missing ones at random.

    Args:
        loading_info: as transformers returns it with `LOADING_OPTIONS`.
        model: as loaded.
        name: of the model, for messages.
        file: what held the weights, for messages.

    Raises:
        DataError: a weight is missing, or has another shape.
    """
    missing, mismatched = sorted(loading_info["missing_keys"]), sorted(loading_info["mismatched_keys"])
    if mismatched:
        weight, saved, expected = mismatched[0]
        raise DataError(
            f"{name}: the weight {weight} has shape {list(saved)} in {file}, but the config says {list(expected)}; "
            "they belong to different models."
        )
    if missing:
        raise DataError(f"{name}: {file} lacks {len(missing)} weights of a {type(model).__name__}, such as {missing[0]}.")


def check_weight_files(folder: Path, outline: PreTrainedModel, name: str) -> None:
    """Checks the headers of a folder's safetensors files, without reading weights.

    Args:
        folder: of the model.
        outline: its architecture.
        name: of the model, for messages.

    Raises:
        DataError: a file is cut short or missing, or a weight has another shape than the config says.
    """
    from safetensors import SafetensorError, safe_open

    index = folder / "model.safetensors.index.json"
    names = {path.name for path in folder.glob("*.safetensors")}
    if index.is_file():
        content = json_of(index.read_text(encoding="utf-8", errors="replace"), str(index))
        parts = content.get("weight_map") if isinstance(content, Mapping) else None
        if not isinstance(parts, Mapping):
            raise DataError(f"{index}: has no weight_map with the file of each weight.")
        names = set(map(str, parts.values()))
    is_quantized = getattr(outline.config, "quantization_config", None) is not None
    expected = {} if is_quantized else {weight: list(value.shape) for weight, value in outline.state_dict().items()}
    for file in sorted(names):
        try:
            with safe_open(folder / file, framework="pt") as opened:
                saved = {weight: opened.get_slice(weight).get_shape() for weight in opened.keys()}  # noqa: SIM118 - not a mapping
        except (SafetensorError, OSError, ValueError) as error:
            raise DataError(f"{name}: {file} is missing, cut short or not a safetensors file ({error}).") from error
        is_other = not any(known.endswith(weight) or weight.endswith(known) for weight in saved for known in expected)
        if expected and saved and is_other:
            raise DataError(f"{name}: {file} has no weight of a {type(outline).__name__}, such as {next(iter(expected))}.")
        for weight, shape in saved.items():
            if weight in expected and shape != expected[weight]:
                raise DataError(
                    f"{name}: the weight {weight} has shape {shape} in {file}, but the config says {expected[weight]}; they "
                    "belong to different models."
                )


def check_finite(model: PreTrainedModel, name: str) -> None:
    """Checks that every weight is a finite number.

    Args:
        model: with its weights.
        name: of the model, for messages.

    Raises:
        DataError: a weight holds NaN or infinity; the message names it.
    """
    for place, value in model.named_parameters():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            worst = value[~torch.isfinite(value)]
            raise DataError(
                f"{name}: the weight {place} is {worst[0]:g} in {len(worst):,} of {value.numel():,} places; "
                "weights must be finite. Download or save the file again."
            )
