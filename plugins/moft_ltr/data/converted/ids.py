"""Ids of queries and documents, integers or texts, as arrays, and as `.npy` files that hold no Python objects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from moft import DataError

Array: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Texts:
    """Many texts in two arrays, which may be memory-mapped.

    Args:
        content: `[bytes]` uint8, the texts one after the other, in UTF-8.
        ends: `[n]` int64, where each text ends in `content`.
    """

    content: npt.NDArray[np.uint8]
    ends: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, index: npt.NDArray[np.int64]) -> Array:
        """`[k]` object, the texts at `index`, `[k]`."""
        ends = self.ends[index].tolist()
        begins = np.where(index > 0, self.ends[np.maximum(index, 1) - 1], 0).tolist()
        texts = [self.content[begin:end].tobytes().decode() for begin, end in zip(begins, ends, strict=True)]
        return np.array([*texts, None], dtype=object)[:-1]  # with None, numpy cannot take it for an array of texts


Ids: TypeAlias = Array | Texts
"""`[n]` integers, `[n]` texts as objects, or `Texts`."""


def ids_at(ids: Ids, index: npt.NDArray[np.int64]) -> list[str] | list[int]:
    """The ids at `index`, `[k]`."""
    found: list[str] | list[int] = ids[index].tolist()
    return found


def texts_of(values: Sequence[str]) -> Texts:
    """The texts of a sequence."""
    encoded = [value.encode("utf-8") for value in values]
    lengths = np.array([len(value) for value in encoded], dtype=np.int64)
    return Texts(np.frombuffer(b"".join(encoded), dtype=np.uint8), lengths.cumsum())


def join_ids(parts: Sequence[Ids]) -> Ids:
    """Ids of consecutive blocks as one; integers and texts must not be mixed."""
    texts = [part for part in parts if isinstance(part, Texts)]
    if not texts:
        return np.concatenate([part for part in parts if isinstance(part, np.ndarray)])
    starts = np.cumsum([0, *(len(part.content) for part in texts)])
    ends = [part.ends + start for part, start in zip(texts, starts[:-1], strict=True)]
    return Texts(np.concatenate([part.content for part in texts]), np.concatenate(ends))


def id_arrays(name: str, ids: Ids) -> dict[str, Array]:
    """The arrays that hold `ids`, by file: `NAME` for integers, `NAME` and `NAME_ends` for texts."""
    if isinstance(ids, np.ndarray) and ids.dtype == object:
        ids = texts_of(ids.tolist())
    if isinstance(ids, Texts):
        return {name: ids.content, f"{name}_ends": ids.ends}
    return {name: np.asarray(ids, dtype=np.int64)}


def read_ids(name: str, kind: str, count: int, read: Callable[[str, Any, tuple[int, ...] | None], Any]) -> Ids:
    """The ids that `id_arrays` gave, memory-mapped.

    Args:
        name: of the file.
        kind: `integer` or `text`.
        count: of ids.
        read: opens an array by name, with its type and shape; None for any length.

    Raises:
        DataError: they are damaged.
    """
    if kind == "integer":
        integers: Array = read(name, np.int64, (count,))
        return integers
    content, ends = read(name, np.uint8, None), read(f"{name}_ends", np.int64, (count,))
    if count and (ends[0] < 0 or (np.diff(ends) < 0).any() or ends[-1] != len(content)):
        raise DataError(f"{name}_ends.npy does not ascend to {len(content)}, the length of {name}.npy. Convert the source again.")
    return Texts(content, ends)
