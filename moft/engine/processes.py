"""The processes that train one policy together, usually this one alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from moft.errors import RunError

T = TypeVar("T")


class Processes:
    """Who writes, and who waits: `torchrun` or `accelerate launch` starts several processes of one command.

    Args:
        is_cpu: True keeps off any GPU.
    """

    def __init__(self, *, is_cpu: bool) -> None:
        from accelerate import PartialState

        self._state = PartialState(cpu=is_cpu)

    @property
    def is_main(self) -> bool:
        """True in the one process that writes files."""
        return bool(self._state.is_main_process)

    def first(self, act: Callable[[], T]) -> T | None:
        """What `act` gives in the main process, while the others wait; None in those.

        Raises:
            RunError: in the others, when it failed; in the main process its own error is raised.
        """
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

    def end(self) -> None:
        """Parts from the others; without it a process complains when it ends."""
        self._state.destroy_process_group()

    def _told(self, text: str) -> str:
        """The main process's text, in every process."""
        if self._state.num_processes == 1:
            return text
        from accelerate.utils import broadcast_object_list

        return str(broadcast_object_list([text])[0])
