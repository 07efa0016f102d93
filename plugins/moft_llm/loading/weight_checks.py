"""Checks of a model's weights: none is missing, all have the right shape and are finite."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from moft import DataError

if TYPE_CHECKING:
    from transformers import PreTrainedModel


LOADING_OPTIONS: dict[str, Any] = {
    "output_loading_info": True,
    "ignore_mismatched_sizes": True,
    "adapter_kwargs": {"subfolder": "no-adapter-here"},
}
"""Options of `from_pretrained`: the first two are those that `check_complete` needs. With the last, transformers looks for an
adapter where there is none, because an adapter in the place of a model is merged by `merge_adapter`."""


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


def check_shapes(folder: Path, outline: PreTrainedModel, name: str) -> None:
    """Checks the shapes in the safetensors files of a folder, from their headers.

    Args:
        folder: of the model; its files are whole.
        outline: its architecture.
        name: of the model, for messages.

    Raises:
        DataError: a file has no weight of the model, or one of another shape than the config says.
    """
    from safetensors import safe_open

    if getattr(outline.config, "quantization_config", None) is not None:
        return
    expected = {weight: list(value.shape) for weight, value in outline.state_dict().items()}
    for file in sorted(folder.glob("model*.safetensors")):
        with safe_open(file, framework="pt") as opened:
            saved = {weight: opened.get_slice(weight).get_shape() for weight in opened.keys()}  # noqa: SIM118 - not a mapping
        is_other = not any(known.endswith(weight) or weight.endswith(known) for weight in saved for known in expected)
        if expected and saved and is_other:
            raise DataError(f"{name}: {file.name} has no weight of a {type(outline).__name__}, such as {next(iter(expected))}.")
        for weight, shape in saved.items():
            if weight in expected and shape != expected[weight]:
                raise DataError(
                    f"{name}: the weight {weight} has shape {shape} in {file.name}, but the config says {expected[weight]}; they "
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
