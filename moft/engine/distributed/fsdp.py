"""Models sharded over processes (FSDP): each holds a part of every weight, and gathers a block while it computes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from moft.errors import ConfigError
from moft.interfaces import Conditioner, Model


def shard(module: nn.Module, device: torch.device) -> None:
    """Splits every model within `module` over all processes, in place; weights end up on `device`, and so does all else.

    Every process must hold the same values, and must make every later pass through the models together with the others.
    Frozen parameters that other modules share stay whole there, wherever they were.

    Raises:
        ConfigError: there is no model, or a conditioner serves one tradeoff at a time, so that processes would not keep step.
    """
    for part in module.modules():
        if isinstance(part, Conditioner) and not part.per_row:
            raise ConfigError(
                f"[trainer.sharding] 'full' needs conditioners that serve a tradeoff for every row; {type(part).__name__} serves "
                "one at a time. Set sharding: none."
            )
    models = [part for part in module.modules() if isinstance(part, Model)]
    if not models:
        raise ConfigError(f"[trainer.sharding] 'full' finds no model in {type(module).__name__}. Set sharding: none.")
    for model in models:
        if not is_sharded(model):
            _shard(model, device)
    for part in module.modules():
        for tensor in (*part.parameters(recurse=False), *part.buffers(recurse=False)):
            if not _is_part(tensor):
                tensor.data = tensor.data.to(device)


def is_sharded(module: nn.Module) -> bool:
    """Whether this process holds only a part of some weight of `module`."""
    return any(map(_is_part, module.parameters()))


def whole(value: Tensor) -> Tensor:
    """The whole of a tensor, gathered from all processes in each of them; itself if it is not sharded."""
    held: Any = value
    gathered: Tensor = held.full_tensor() if _is_part(value) else held
    return gathered


def part_of(value: Tensor, pattern: Tensor | None) -> Tensor:
    """The part of `value` that this process has to hold, sharded like `pattern`; `value` itself if that is not sharded."""
    if pattern is None or not _is_part(pattern) or _is_part(value) or value.shape != pattern.shape:
        return value
    from torch.distributed.tensor import distribute_tensor

    split_as: Any = pattern
    there = value.to(device=pattern.device, dtype=pattern.dtype)
    return distribute_tensor(there, split_as.device_mesh, split_as.placements, src_data_rank=None)


def optimizer_groups(parameters: Iterable[nn.Parameter]) -> list[dict[str, list[nn.Parameter]]]:
    """The parameters in groups for an optimizer: those that are sharded, and those that are not."""
    groups: dict[bool, list[nn.Parameter]] = {}
    for parameter in parameters:
        groups.setdefault(_is_part(parameter), []).append(parameter)
    return [{"params": group} for group in groups.values()]


@torch.no_grad()
def clip_together(parameters: Iterable[nn.Parameter], limit: float) -> Tensor:
    """`[]`, the norm of the gradient over all processes' parts, before it is clipped to `limit` in place.

    Gradients of parts are means over the processes already; those of whole parameters are made so here.
    """
    parts: list[Tensor] = []
    copies: list[Tensor] = []
    for parameter in parameters:
        if parameter.grad is not None:
            (parts if _is_part(parameter) else copies).append(_local(parameter.grad))
    for gradient in copies:
        dist.all_reduce(gradient)
        gradient.div_(dist.get_world_size())
    squares = [torch.nn.utils.get_total_norm(group).square() for group in (parts, copies) if group]
    if parts:
        dist.all_reduce(squares[0])
    norm = torch.stack(squares).sum().sqrt()
    factor = (limit / (norm + 1e-6)).clamp(max=1.0)  # as torch does it
    for gradient in (*parts, *copies):
        gradient.mul_(factor)
    return norm


def _shard(model: Model, device: torch.device) -> None:
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

    _own_frozen(model)
    mesh = init_device_mesh(device.type, (dist.get_world_size(),))
    scalars = {parameter for parameter in model.parameters() if parameter.dim() == 0}  # which have no axis to be split along
    for module in (*model.blocks(), model):
        # Parts again after every pass, the model's own weights too: optimizer and checkpoints see nothing else.
        fully_shard(module, mesh=mesh, reshard_after_forward=True, ignored_params=scalars)
    register_fsdp_forward_method(model, "opened")


def _own_frozen(model: nn.Module) -> None:
    """Gives the model parameters of its own that share the data of the frozen ones, which other models may hold as well."""
    own: dict[int, nn.Parameter] = {}
    for module in model.modules():
        for name, parameter in list(module._parameters.items()):
            if parameter is not None and not parameter.requires_grad:
                own.setdefault(id(parameter), nn.Parameter(parameter.detach(), requires_grad=False))
                module._parameters[name] = own[id(parameter)]


def _is_part(tensor: Tensor) -> bool:
    """Whether it is a DTensor; tested without importing the class, which takes a second."""
    return hasattr(tensor, "full_tensor")


def _local(tensor: Tensor) -> Tensor:
    """The part that this process holds; changes in place reach the tensor."""
    held: Any = tensor
    here: Tensor = held.to_local() if _is_part(tensor) else held
    return here
