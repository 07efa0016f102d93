"""Error messages for running out of memory: how much was requested, and which settings need less."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from moft.errors import RunError

_ON_CPU = "DefaultCPUAllocator"  # torch raises a plain RuntimeError there
_REQUESTED = re.compile(r"[Tt]ried to allocate ([\d.]+) ?(\w+)")


def memory_fault(error: BaseException | None) -> str | None:
    """`out of memory` and how much was requested, if an error or its cause says so; else None."""
    if error is None:
        return None
    is_short = isinstance(error, torch.OutOfMemoryError | MemoryError) or _ON_CPU in str(error)
    if not is_short:
        return memory_fault(error.__cause__)
    requested = _REQUESTED.search(str(error))
    return f"out of memory ({_amount(*requested.groups())} more were requested)" if requested else "out of memory"


def memory_error(error: Exception) -> RunError | None:
    """The error of a command other than training that ran out of memory; None for other errors."""
    fault = memory_fault(error)
    if fault is None:
        return None
    return RunError(f"{fault}: use a smaller --batch if the command has one, or a smaller model or file.")


def run_memory_error(path: Any, fault: str, config: Mapping[str, Any]) -> RunError:
    """The error of a run that ran out of memory, with the settings of its config that can be lowered.

    Args:
        path: of the run.
        fault: from `memory_fault`.
        config: resolved.
    """
    lower = [f"{name} ({value:,})" for name, value in _batch_sizes(config)]
    return RunError(
        f"{path}: {fault}. Train anew with smaller batches: lower {' or '.join(lower) or 'the batch size'} and raise "
        "trainer.gradient_accumulation_steps by the same factor, or set trainer.models_at_once: 1."
    )


def _batch_sizes(config: Any, path: str = "") -> Iterator[tuple[str, int]]:
    """The settings that limit the size of a batch, by path."""
    for key, value in config.items() if isinstance(config, Mapping) else ():
        if isinstance(value, int) and (key == "batch" or key.endswith("_per_batch")):
            yield f"{path}{key}", value
        yield from _batch_sizes(value, f"{path}{key}.")


def _amount(number: str, unit: str) -> str:
    """An amount of memory as text; bytes as GiB."""
    return f"{float(number) / 2**30:.2f} GiB" if unit == "bytes" else f"{number} {unit}"
