"""Tensors on disk, written atomically; nothing is ever unpickled."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from moft.errors import RunError
from moft.files.atomic_write import atomic_write

FORMAT = "moft"


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Writes tensors to `path`, on the CPU, under a temporary name first."""
    from safetensors.torch import save

    whole = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    atomic_write(path, save(whole, metadata={"format": FORMAT}))


def load_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file that `save_tensors` wrote.

    Raises:
        RunError: there is no such file, it is cut short, or moft did not write it.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            if (file.metadata() or {}).get("format") != FORMAT:
                raise RunError(f"{path}: is a safetensors file, but moft did not write it.")
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except FileNotFoundError as error:
        raise RunError(f"{path}: is missing; the run or checkpoint is not complete.") from error
    except SafetensorError as error:
        raise RunError(f"{path}: is cut short or not a safetensors file ({error}).") from error


def load_into(target: Mapping[str, Tensor], tensors: Mapping[str, Tensor], path: Path) -> None:
    """Copies tensors into those of `target`, in place.

    Raises:
        RunError: names or shapes differ, so the file belongs to another model.
    """
    lacking, foreign = sorted(set(target) - set(tensors)), sorted(set(tensors) - set(target))
    if lacking or foreign:
        found = f"lacks {lacking[0]!r}" if lacking else f"holds {foreign[0]!r}, which the model does not have"
        raise RunError(f"{path}: {found}; it belongs to another model or config.")
    for name, value in target.items():
        if value.shape != tensors[name].shape:
            raise RunError(
                f"{path}: {name!r} has shape {list(tensors[name].shape)}, the model {list(value.shape)}; it belongs to "
                "another config."
            )
        value.data.copy_(tensors[name])
