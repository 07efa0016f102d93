"""The first prompts of every file, for checks that must not take as long as reading all the data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from moft.api import Batch, Reader, user_path
from moft_llm.data.files.dataset_files import HUB, data_files, rows
from moft_llm.data.files.file_formats import PACKED, form_of
from moft_llm.data.label_transforms import TextLabel, label_columns
from moft_llm.data.preference_example import Example
from moft_llm.data.readers.any_reader import first_of

READ_WHOLE = 8 << 20
"""Bytes of all files that are read whole; Parquet and gzip count four times, since they are compressed."""
PROMPTS = 1000
"""Prompts of a larger file that are looked at."""
SAMPLE = 64
"""Prompts whose labels a method may try its losses on before training."""


def unseen_data(data: Reader) -> str:
    """Why the data can only be read later, in a sentence; empty if they are here.

    Raises:
        DataError: a path is neither a file nor a folder, nor a name on the hub.
    """
    for path in data.places:
        if not user_path(path).exists():
            if not HUB.fullmatch(path) or form_of(Path(path)):
                next(rows(path), None)  # says what is wrong
            return f"{path}: no such file or folder here; the Hugging Face hub is asked for it when training starts."
    return ""


def is_small(data: Reader) -> bool:
    """Whether all the data can be read for a check."""
    return bool(data.places) and sum(_size(user_path(path)) for path in data.places) <= READ_WHOLE


def first_prompts(data: Reader, split: str | None) -> Iterator[Example]:
    """The first prompts of each file of a reader, before rows of a prompt are joined; none where a row holds one response.

    Raises:
        DataError: a file is missing, or one of these rows is malformed.
    """
    return first_of(data, split, PROMPTS)


def labelled_sample(examples: Sequence[Example], objectives: dict[str, TextLabel]) -> Batch:
    """The labels of some prompts as a batch without tokens."""
    sizes = torch.tensor([len(example.responses) for example in examples])
    items = torch.arange(int(sizes.max())) < sizes.unsqueeze(1)  # [lists, list]
    labels, mask = (torch.zeros(*items.shape, len(objectives), dtype=kind) for kind in (torch.float32, torch.bool))
    labels[items], mask[items], _ = label_columns(examples, sizes, objectives)
    zeros = torch.zeros(items.shape)
    return Batch({}, labels, mask, reference=zeros, items=items, main=zeros, lists=torch.arange(len(sizes)))


def _size(place: Path) -> int:
    """Bytes that reading a file, or the files of a folder, would give."""
    if place.is_dir():
        return sum(_size(file) for file in data_files(place) if file.is_file())
    return place.stat().st_size * (4 if place.suffix in (".parquet", PACKED) else 1)
