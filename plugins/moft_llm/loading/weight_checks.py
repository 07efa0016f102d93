"""Checks of a model's weights: none is missing, all have the right shape and are finite."""

from __future__ import annotations

from collections.abc import Mapping
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
