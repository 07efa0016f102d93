"""A few tokens to try a model with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_COUNT = 6


def trial_tokens(network: PreTrainedModel) -> Tensor:
    """`[1, 6]` int64, tokens of a model that its config gives no meaning of their own, such as the place of an image."""
    table = network.get_input_embeddings().weight
    configs = [network.config, network.config.get_text_config(decoder=True)]
    named = {
        value
        for config in configs
        for name, value in vars(config).items()
        if name.endswith(("_id", "_index", "_ids")) and isinstance(value, int)
    }
    plain = [number for number in range(3, min(len(table), 3 + _COUNT + len(named))) if number not in named]
    return torch.tensor([(plain or [0])[:_COUNT]], device=table.device)
