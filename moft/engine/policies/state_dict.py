"""What a module has of its own: all that it saves but frozen parameters, which belong to a base model that others share."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import TypeVar

from torch import Tensor, nn

from moft.engine.distributed.fsdp import is_sharded, part_of, whole
from moft.errors import ConfigError, RunError

ModuleT = TypeVar("ModuleT", bound=nn.Module)


def own_state(module: nn.Module) -> dict[str, Tensor]:
    """The module's state without its frozen parameters: parameters that are trained, and buffers.

    The tensors are the module's own, not copies. A language model of billions of frozen parameters has only its adapters here.
    """
    frozen = {
        name for name, parameter in module.named_parameters(remove_duplicate=False) if not parameter.requires_grad
    }  # a tied parameter has several names
    return {name: value for name, value in module.state_dict().items() if name not in frozen}


def whole_state(module: nn.Module) -> dict[str, Tensor]:
    """Copies of the module's own state, on the CPU; what is sharded is gathered, so all processes have to call it together."""
    return {name: whole(value.detach()).cpu().clone() for name, value in own_state(module).items()}


def load_own(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Takes back what `own_state` or `whole_state` gave, or a part of it; the rest stays as it is.

    Raises:
        RuntimeError: the module has no such names, or other shapes.
    """
    present = module.state_dict()
    module.load_state_dict({**present, **{name: part_of(value, present.get(name)) for name, value in state.items()}})


def load_whole(module: nn.Module, state: Mapping[str, Tensor], job: str) -> None:
    """Takes back all of what `whole_state` gave at a checkpoint of `job`.

    Raises:
        RunError: names or shapes are not those of the module.
    """
    own, of_another = own_state(module), f"job {job!r}: its checkpoint is of another model"
    for what, names in (("lacks", own.keys() - state.keys()), ("has", state.keys() - own.keys())):
        if names:
            raise RunError(f"{of_another}: it {what} {min(names)!r}; train anew with another --out.")
    try:
        load_own(module, state)
    except RuntimeError as error:  # shapes
        raise RunError(f"{of_another}: {str(error).splitlines()[-1].strip()}") from error


def own_copy(module: ModuleT) -> ModuleT:
    """A copy with parameters and buffers of its own, that shares the frozen parameters.

    Raises:
        ConfigError: the module is sharded.
    """
    if is_sharded(module):
        raise ConfigError("[trainer.sharding] 'full' is for methods that train one model: what is sharded cannot be copied.")
    frozen = {id(parameter): parameter for parameter in module.parameters() if not parameter.requires_grad}
    return deepcopy(module, frozen)
