"""How many models of an ensemble fit into memory at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn

_USED = 0.5  # share of the free memory that models trained together may take
_COPIES = 5  # of a parameter: itself, its gradient, two moments, the best so far
_RESERVE = 2  # times the tensors saved for the backward pass, for what else a step holds


def models_that_fit(models: Sequence[nn.Module], losses: Iterable[Callable[[], Tensor]], device: torch.device) -> int:
    """How many of the models can be trained together in the memory that is free now; at least one.

    Args:
        models: of one shape.
        losses: each computes a loss of the first one on some batch.
        device: where they are.
    """
    parameters = [parameter for parameter in models[0].parameters() if parameter.requires_grad]
    held = _COPIES * sum(parameter.numel() * parameter.element_size() for parameter in parameters)
    need = held + _RESERVE * max(map(_saved_bytes, losses), default=0)
    return max(1, min(len(models), int(_USED * _free_bytes(device) / max(need, 1))))


def _saved_bytes(loss: Callable[[], Tensor]) -> int:
    """Bytes that a forward pass keeps for its backward pass."""
    sizes: dict[int, int] = {}

    def packed(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(packed, lambda tensor: tensor):
        loss()
    return sum(sizes.values())


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    import psutil

    return int(psutil.virtual_memory().available)
