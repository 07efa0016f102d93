"""The processes that train one policy together, usually this one alone."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from traceback import clear_frames

import torch
from torch import Tensor

from moft.engine.distributed.fsdp import shard
from moft.errors import ConfigError, RunError
from moft.interfaces.process_group import ModuleT, ProcessGroup, T


class Processes(ProcessGroup):
    """The process group of a run: `torchrun` or `accelerate launch` starts several processes of one command.

    Args:
        is_cpu: True keeps off any GPU.
        sharding: of the trainer.

    Raises:
        ConfigError: these processes cannot shard models.
    """

    def __init__(self, *, is_cpu: bool, sharding: str = "none") -> None:
        from accelerate import PartialState

        self._state = PartialState(cpu=is_cpu)
        check_launch(sharding, self._state.num_processes)
        self.index, self.count = self._state.process_index, self._state.num_processes
        self.is_sharding = sharding == "full"

    @property
    def device(self) -> torch.device:
        """Where this process computes."""
        device: torch.device = self._state.device
        return device

    @property
    def is_main(self) -> bool:
        """True in the one process that writes files."""
        return bool(self._state.is_main_process)

    def first(self, act: Callable[[], T]) -> T | None:
        failure, result = "", None
        try:
            if self.is_main:
                result = act()
        except Exception as error:
            failure = str(error) or type(error).__name__
            raise
        finally:
            failure = broadcast_from_main(failure, self.count)
        if failure:
            raise RunError(f"the main process stopped: {failure}")
        return result

    def summed(self, values: Tensor) -> Tensor:
        if self.count == 1:
            return values
        from torch.distributed import all_reduce

        there = values.detach().to(self._state.device, copy=True)
        all_reduce(there)
        return there.to(values.device)

    def sharded(self, module: ModuleT) -> ModuleT:
        shard(module, self._state.device)
        return module

    def end(self, error: BaseException | None = None) -> None:
        """Leaves the group; without it a process complains when it ends.

        Models that still hold the group are freed first. If one were the last to hold it, the group would be destroyed with the
        model, while Python's lock is held; the group's thread may need that lock, and both would wait forever.

        Args:
            error: that ended the run; its traceback holds models.
        """
        if self.count > 1:
            while error is not None:
                clear_frames(error.__traceback__)
                error = error.__cause__ or error.__context__
            gc.collect()
        self._state.destroy_process_group()


def broadcast_from_main(value: T, count: int) -> T:
    """The main process's value in each of `count` processes, which all call it; rounding may make their own values differ."""
    if count == 1:
        return value
    from accelerate.utils import broadcast_object_list

    received: T = broadcast_object_list([value])[0]
    return received


_FOREIGN = {"ACCELERATE_USE_FSDP": "FSDP", "ACCELERATE_USE_DEEPSPEED": "DeepSpeed", "ACCELERATE_USE_MEGATRON_LM": "Megatron-LM"}


def check_launch(sharding: str, count: int) -> None:
    """Checks that `trainer.sharding` is possible with this many processes.

    Raises:
        ConfigError: there is one process to split models over, or Accelerate was told to split them itself.
    """
    for variable, name in _FOREIGN.items():
        if os.environ.get(variable, "").lower() in ("1", "true", "yes", "on", "y", "t"):
            raise ConfigError(
                f"accelerate is set to {name} ({variable}); moft splits models itself: launch it without, and set "
                "trainer.sharding: full."
            )
    if sharding == "full" and count == 1:
        raise ConfigError(
            "[trainer.sharding] 'full' splits models over processes, and this is a single one; start several by "
            "torchrun --nproc_per_node N --no-python moft train ..., or set sharding: none."
        )
