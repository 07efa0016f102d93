"""What a user is told where memory ran out: how much was asked for, and which settings take less."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from moft.errors import RunError

_ON_CPU = "DefaultCPUAllocator"  # torch raises a plain RuntimeError there
_ASKED = re.compile(r"[Tt]ried to allocate ([\d.]+) ?(\w+)")


def memory_fault(error: BaseException | None) -> str | None:
    """`out of memory` and how much more was asked for, where that is what an error or its cause says; else None."""
    if error is None:
        return None
    is_short = isinstance(error, torch.OutOfMemoryError | MemoryError) or _ON_CPU in str(error)
    if not is_short:
        return memory_fault(error.__cause__)
    asked = _ASKED.search(str(error))
    return f"out of memory ({_amount(*asked.groups())} more were asked for)" if asked else "out of memory"


def memory_error(error: Exception) -> RunError | None:
    """The error of a command that ran out of memory outside of a run; None where it did not."""
    fault = memory_fault(error)
    if fault is None:
        return None
    return RunError(f"{fault}: take less at a time, by --batch where the command has it, or choose a smaller model or file.")


def run_memory_error(path: Any, fault: str, config: Mapping[str, Any]) -> RunError:
    """The error of a run that ran out of memory, with the settings of its config that take less when they are lower.

    Args:
        path: of the run.
        fault: from `memory_fault`.
        config: resolved.
    """
    lower = [f"{name} ({value:,})" for name, value in _at_a_time(config)]
    return RunError(
        f"{path}: {fault}. Begin anew with less at a time: lower {' or '.join(lower) or 'what is in a batch'}, "
        "raise trainer.gradient_accumulation_steps by as much for the same step, or set trainer.models_at_once: 1."
    )


def _at_a_time(config: Any, path: str = "") -> Iterator[tuple[str, int]]:
    """The settings that say how much is worked on at a time, by their paths."""
    for key, value in config.items() if isinstance(config, Mapping) else ():
        if isinstance(value, int) and (key == "batch" or key.endswith("_per_batch")):
            yield f"{path}{key}", value
        yield from _at_a_time(value, f"{path}{key}.")


def _amount(number: str, unit: str) -> str:
    """Memory in words; bytes as GiB."""
    return f"{float(number) / 2**30:.2f} GiB" if unit == "bytes" else f"{number} {unit}"
