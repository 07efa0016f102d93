"""The processes that train one policy together, usually this one alone."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from moft.engine.distributed.fsdp import check_launch, shard
from moft.errors import RunError
from moft.interfaces.process_group import ModuleT, ProcessGroup, T


class Processes(ProcessGroup):
    """Who writes, and who waits: `torchrun` or `accelerate launch` starts several processes of one command.

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
    def is_main(self) -> bool:
        """True in the one process that writes files."""
        return bool(self._state.is_main_process)

    def first(self, act: Callable[[], T]) -> T | None:
        trouble, found = "", None
        try:
            if self.is_main:
                found = act()
        except Exception as error:
            trouble = str(error) or type(error).__name__
            raise
        finally:
            trouble = self._told(trouble)
        if trouble:
            raise RunError(f"the main process stopped: {trouble}")
        return found

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

    def end(self) -> None:
        """Parts from the others; without it a process complains when it ends."""
        self._state.destroy_process_group()

    def _told(self, text: str) -> str:
        """The main process's text, in every process."""
        if self.count == 1:
            return text
        from accelerate.utils import broadcast_object_list

        return str(broadcast_object_list([text])[0])
