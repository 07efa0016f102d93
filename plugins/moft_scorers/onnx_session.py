"""An ONNX model from tokens to numbers, run by ONNX Runtime on the CPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from moft import ConfigError
from moft_scorers.token_batches import pad

_USUAL = {"mask": "attention_mask", "types": "token_type_ids"}
_INTEGERS = {"tensor(int64)": torch.int64, "tensor(int32)": torch.int32}
_FLOATS = ("tensor(float)", "tensor(float16)", "tensor(double)")


class OnnxModel:
    """Computes the outputs of an ONNX model for rows of tokens.

    Attributes:
        rows: of a batch, if the model fixes them, else None.
        time: tokens of a row, if the model fixes them, else None.
        labels: columns of the output, found by running the model on one token.

    Args:
        path: of the model.
        ids: name of the input of tokens.
        mask: name of the input of the mask; None for the usual one, if any.
        types: name of the input of the types; None for the usual one, if any.
        output: name of the output to read; None for the usual one.
        padding: the token that pads shorter rows.

    Raises:
        ConfigError: ONNX Runtime is not installed, or the model does not have such inputs and outputs.
    """

    def __init__(self, path: Path, *, ids: str, mask: str | None, types: str | None, output: str | None, padding: int) -> None:
        self._path, self._padding, self._session = path, padding, _session(path)
        self._inputs = _inputs(self._session.get_inputs(), {"ids": ids, "mask": mask, "types": types})
        self._output = _output(self._session.get_outputs(), output)
        shape = next(entry.shape for entry in self._session.get_inputs() if entry.name == ids)
        if len(shape) != 2:
            raise ConfigError(f"ids: the input {ids!r} has {len(shape)} axes; it must have two, [batch, time].")
        self.rows, self.time = (size if isinstance(size, int) else None for size in shape)
        outputs = self([([padding], [0])])
        if outputs.ndim != 2:
            raise ConfigError(f"output: {self._output!r} has {outputs.ndim} axes; it must be [batch] or [batch, labels].")
        self.labels = outputs.shape[1]

    @property
    def has_mask(self) -> bool:
        """Whether the model takes a mask of padding."""
        return "mask" in self._inputs

    def __call__(self, rows: Sequence[tuple[Sequence[int], Sequence[int]]]) -> Tensor:
        """`[batch, labels]` float32, the outputs for rows of tokens and their types.

        Raises:
            ConfigError: the model fails on them.
        """
        count = len(rows)
        if self.rows is not None:
            rows = [*rows, *[rows[-1]] * (self.rows - count)]
        tokens = {
            "ids": pad([ids for ids, _ in rows], self._padding, self.time),
            "mask": pad([[1] * len(ids) for ids, _ in rows], 0, self.time),
            "types": pad([types for _, types in rows], 0, self.time),
        }
        given = {name: tokens[part].to(dtype).numpy() for part, (name, dtype) in self._inputs.items()}
        try:
            (computed,) = self._session.run([self._output], given)
        except Exception as error:  # ONNX Runtime's errors have no common base class
            time = tokens["ids"].shape[1]
            raise ConfigError(f"model: {self._path} fails on {len(rows)} rows of {time} tokens: {_first_line(error)}") from error
        outputs = torch.as_tensor(computed).float()
        return (outputs.unsqueeze(1) if outputs.ndim == 1 else outputs)[:count]


def _session(path: Path) -> Any:
    """The model, ready to run with as many threads as torch has."""
    try:
        import onnxruntime
    except ImportError as error:
        raise ConfigError("scorer 'onnx' needs the package onnxruntime: pip install 'moft[scorers]'.") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 4  # errors are raised as exceptions
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ConfigError(f"model: {path} is not a model that ONNX Runtime can read: {_first_line(error)}") from error


def _inputs(entries: Sequence[Any], wanted: Mapping[str, str | None]) -> dict[str, tuple[str, torch.dtype]]:
    """Name and type of each input of the model, by what it takes: ids, mask or types.

    Raises:
        ConfigError: the model lacks a named input, has an unknown one, or one that is not of integers.
    """
    types = {entry.name: entry.type for entry in entries}
    names = {}
    for part, given in wanted.items():
        name = given or _USUAL[part]
        if name in types:
            names[part] = name
        elif given is not None:
            raise ConfigError(f"{part}: the model has no input {name!r}; it has {', '.join(types)}.")
    unknown = [name for name in types if name not in names.values()]
    if unknown:
        raise ConfigError(f"model: its input {unknown[0]!r} is unknown; moft provides ids, mask and types only.")
    for part, name in names.items():
        if types[name] not in _INTEGERS:
            raise ConfigError(f"{part}: the input {name!r} is {types[name]}; it must be one of {', '.join(_INTEGERS)}.")
    return {part: (name, _INTEGERS[types[name]]) for part, name in names.items()}


def _output(entries: Sequence[Any], wanted: str | None) -> str:
    """The name of the output to read.

    Raises:
        ConfigError: there is no such output, there are several and none is named, or it is not of floats.
    """
    types = {entry.name: entry.type for entry in entries}
    name = next(iter(types)) if len(types) == 1 and wanted is None else wanted or "logits"
    if name not in types:
        raise ConfigError(f"output: the model has no {name!r}; it has {', '.join(types)}.")
    if types[name] not in _FLOATS:
        raise ConfigError(f"output: {name!r} is {types[name]}; it must be one of {', '.join(_FLOATS)}.")
    return name


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
