"""The state of a module without its frozen parameters, which belong to a base model that other modules share."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import TypeVar

from torch import Tensor, nn

from moft.engine.distributed.fsdp import is_sharded, part_of, whole
from moft.errors import ConfigError, RunError
from moft.files.safetensors import misfit

ModuleT = TypeVar("ModuleT", bound=nn.Module)


def own_state(module: nn.Module) -> dict[str, Tensor]:
    """The module's state without its frozen parameters: parameters that are trained, and buffers.

    The tensors are not copies. Of a language model with billions of frozen parameters, only the adapters are in it.
    """
    frozen = {
        name for name, parameter in module.named_parameters(remove_duplicate=False) if not parameter.requires_grad
    }  # a tied parameter has several names
    return {name: value for name, value in module.state_dict().items() if name not in frozen}


def whole_state(module: nn.Module) -> dict[str, Tensor]:
    """Copies of `own_state` on the CPU; sharded tensors are gathered, so all processes have to call it together."""
    return {name: whole(value.detach()).cpu().clone() for name, value in own_state(module).items()}


def load_own(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Loads what `own_state` or `whole_state` returned, or a part of it; the rest stays unchanged.

    Raises:
        RuntimeError: the module does not have these names, or has other shapes.
    """
    present = module.state_dict()
    module.load_state_dict({**present, **{name: part_of(value, present.get(name)) for name, value in state.items()}})


def load_whole(module: nn.Module, state: Mapping[str, Tensor], job: str) -> None:
    """Loads all of what `whole_state` returned at a checkpoint of `job`.

    Raises:
        RunError: names, shapes or kinds are not those of the module.
    """
    fault = misfit(state, own_state(module))
    if fault:
        raise RunError(f"job {job!r}: its checkpoint is of another model: it {fault}; start a new run with another --out.")
    load_own(module, state)


def own_copy(module: ModuleT) -> ModuleT:
    """A copy that shares the frozen parameters, and has copies of all other parameters and buffers.

    Raises:
        ConfigError: the module is sharded.
    """
    if is_sharded(module):
        raise ConfigError("[trainer.sharding] 'full' is for methods that train one model; a sharded model cannot be copied.")
    frozen = {id(parameter): parameter for parameter in module.parameters() if not parameter.requires_grad}
    return deepcopy(module, frozen)
