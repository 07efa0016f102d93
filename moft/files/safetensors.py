"""Tensors on disk, written atomically and checked when they are read; nothing is ever unpickled."""

from __future__ import annotations

from collections.abc import Container, Mapping
from pathlib import Path

import torch
from torch import Tensor

from moft.errors import RunError
from moft.files.atomic_write import atomic_write
from moft.files.regular_file import open_regular

FORMAT = "moft"
_BY_DEVICE = (torch.float32, torch.bfloat16)
"""Kinds that weights may have on one device and not on another, such as those of a language model on a GPU."""


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Writes tensors to `path`, on the CPU, under a temporary name first."""
    from safetensors.torch import save

    whole = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    atomic_write(path, save(whole, metadata={"format": FORMAT}))


def load_tensors(path: Path, *, unmeasured: Container[str] = ()) -> dict[str, Tensor]:
    """The tensors of a file that `save_tensors` wrote, every number of them finite.

    Args:
        path: the file.
        unmeasured: names of tensors in which NaN stands for what was not measured.

    Raises:
        RunError: there is no such file, it cannot be read or is cut short, moft did not write it, or a number is not finite.
    """
    from safetensors import SafetensorError, safe_open

    try:
        open_regular(path).close()  # safetensors calls every file that it may not read missing
        with safe_open(path, framework="pt") as file:
            if (file.metadata() or {}).get("format") != FORMAT:
                raise RunError(f"{path}: is a safetensors file, but moft did not write it.")
            # Copies: a tensor in the file's own memory ends the process once somebody shortens the file.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 - not a mapping
    except FileNotFoundError as error:
        raise RunError(f"{path}: is missing; the run or checkpoint is not complete.") from error
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror or error}).") from error
    except SafetensorError as error:
        raise RunError(f"{path}: is cut short or not a safetensors file ({error}).") from error
    for name, value in tensors.items():
        fault = fault_of_tensor(value, may_be_nan=name in unmeasured)
        if fault:
            raise RunError(f"{path}: {name!r} {fault}; the file is damaged.")
    return tensors


def check_fit(tensors: Mapping[str, Tensor], model: Mapping[str, Tensor], path: Path) -> None:
    """Checks that the tensors of a file are those of a model.

    Raises:
        RunError: names, shapes or kinds differ, so the file belongs to another model.
    """
    fault = misfit(tensors, model)
    if fault:
        raise RunError(f"{path}: {fault}; it belongs to another model or config.")


def fault_of_tensor(value: Tensor, *, may_be_nan: bool = False) -> str:
    """What is wrong with the numbers of a tensor, in words; empty if all are finite."""
    if not value.is_floating_point() and not value.is_complex():
        return ""
    numbers = value if value.is_complex() or value.element_size() > 1 else value.float()  # 8 bits have no such operation
    wrong = numbers.isinf() if may_be_nan else ~numbers.isfinite()
    if not wrong.any():
        return ""
    place = tuple(wrong.nonzero()[0].tolist())
    where = f" at {list(place)}" if place else ""
    return f"has the value {numbers[place].item()}{where}, which is not a finite number"


def misfit(found: Mapping[str, Tensor], model: Mapping[str, Tensor]) -> str:
    """The first difference in names, shapes and kinds between tensors and those of a model, in words; empty if there is none.

    A row of bytes is a text, which may have any length.
    """
    lacking, foreign = sorted(set(model) - set(found)), sorted(set(found) - set(model))
    if lacking or foreign:
        return f"lacks {lacking[0]!r}" if lacking else f"holds {foreign[0]!r}, which the model does not have"
    for name, value in model.items():
        given = found[name]
        is_text = value.dtype == given.dtype == torch.uint8 and value.dim() == given.dim() == 1
        if given.shape != value.shape and not is_text:
            return f"{name!r} has shape {list(given.shape)}, the model {list(value.shape)}"
        if given.dtype != value.dtype and not (given.dtype in _BY_DEVICE and value.dtype in _BY_DEVICE):
            kinds = [str(side.dtype).removeprefix("torch.") for side in (given, value)]
            return f"{name!r} has numbers of type {kinds[0]}, the model {kinds[1]}"
    return ""
