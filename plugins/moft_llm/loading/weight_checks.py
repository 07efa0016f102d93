"""What a model's weights must be: all there, of the right shape, and finite."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from moft import DataError

if TYPE_CHECKING:
    from transformers import PreTrainedModel


CHECKED = {"output_loading_info": True, "ignore_mismatched_sizes": True}
"""How transformers has to load what `refuse_other` checks."""


def refuse_other(found: Mapping[str, Any], model: PreTrainedModel, name: str, file: str) -> None:
    """Nothing, when a file had every weight of a model, in its shape; transformers draws others at random.

    Args:
        found: what transformers says of the loading, where sizes that do not match were ignored.
        model: that was made.
        name: of the model, for messages.
        file: what held the weights, for messages.

    Raises:
        DataError: a weight was not there, or of another shape.
    """
    lacking, others = sorted(found["missing_keys"]), sorted(found["mismatched_keys"])
    if others:
        place, there, wanted = others[0]
        raise DataError(
            f"{name}: the weight {place} has shape {list(there)} in {file}, and {list(wanted)} by the config; "
            "they are not of one model."
        )
    if lacking:
        raise DataError(f"{name}: of the weights of a {type(model).__name__}, {file} lacks {len(lacking)}, such as {lacking[0]}.")


def refuse_not_finite(model: PreTrainedModel, name: str) -> None:
    """Nothing, when every weight is a finite number.

    Args:
        model: with its weights.
        name: of the model, for messages.

    Raises:
        DataError: one holds NaN or infinity; the message names it.
    """
    for place, value in model.named_parameters():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            worst = value[~torch.isfinite(value)]
            raise DataError(
                f"{name}: the weight {place} holds {worst[0]:g} in {len(worst):,} of {value.numel():,} places; "
                "a model needs finite numbers, so get or save its file anew."
            )
