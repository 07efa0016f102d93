"""How many threads of the CPU compute when text is generated."""

from __future__ import annotations

import torch
from torch import nn

SMALL = 100_000_000
"""Parameters below which one thread is faster than several, or hardly slower."""


def use_threads(asked: int | None, trained: int | None, model: nn.Module) -> None:
    """Sets torch's number of threads for the rest of the process, where the CPU computes.

    It depends on nothing that is measured, because another number of threads may change the last bits of a sum, and so a text.

    Args:
        asked: by the user, or None.
        trained: what a run was trained with (`trainer.threads`), or None.
        model: that generates; a small one takes one thread, any other leaves torch's own choice.
    """
    parameters = list(model.parameters())
    if asked is not None or trained is not None:
        torch.set_num_threads(asked or trained or 1)
    elif parameters[0].device.type == "cpu" and sum(value.numel() for value in parameters) < SMALL:
        torch.set_num_threads(1)
