"""Tensors and JSON on disk, written whole or not at all; nothing is ever unpickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from moft.errors import RunError
from moft.whole import write_bytes

FORMAT = "moft"


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Writes tensors to `path`, on the CPU, under a temporary name first."""
    from safetensors.torch import save

    whole = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    write_bytes(path, save(whole, metadata={"format": FORMAT}))


def load_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file that `save_tensors` wrote.

    Raises:
        RunError: there is no such file, it is cut short, or it is not ours.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            if (file.metadata() or {}).get("format") != FORMAT:
                raise RunError(f"{path}: is a safetensors file, but moft did not write it.")
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except FileNotFoundError as error:
        raise RunError(f"{path}: is missing; the run or checkpoint is not whole.") from error
    except SafetensorError as error:
        raise RunError(f"{path}: is cut short or no safetensors file ({error}).") from error


def load_into(target: Mapping[str, Tensor], tensors: Mapping[str, Tensor], path: Path) -> None:
    """Copies tensors into those of `target`, in place.

    Raises:
        RunError: names or shapes differ, so the file belongs to another model.
    """
    lacking, foreign = sorted(set(target) - set(tensors)), sorted(set(tensors) - set(target))
    if lacking or foreign:
        found = f"lacks {lacking[0]!r}" if lacking else f"holds {foreign[0]!r}, which the model does not know"
        raise RunError(f"{path}: {found}; it belongs to another model or config.")
    for name, value in target.items():
        if value.shape != tensors[name].shape:
            raise RunError(
                f"{path}: {name!r} has shape {list(tensors[name].shape)}, the model {list(value.shape)}: it is another config's."
            )
        value.data.copy_(tensors[name])


def write_json(path: Path, content: Any) -> None:
    """Writes JSON, indented, whole or not at all; NaN becomes null."""
    write_bytes(path, (json.dumps(_without_nan(content), indent=1, allow_nan=False) + "\n").encode())


def read_json(path: Path) -> Any:
    """The content of a JSON file of a run.

    Raises:
        RunError: it is missing or cut short.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RunError(f"{path}: is missing; the run is not whole.") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise RunError(f"{path}: is cut short or no JSON ({error}).") from error


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a journal, one JSON object a line; a line that was cut short is left out, and no file has none."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return rows


def _without_nan(content: Any) -> Any:
    if isinstance(content, Mapping):
        return {key: _without_nan(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_without_nan(value) for value in content]
    return None if isinstance(content, float) and content != content else content
