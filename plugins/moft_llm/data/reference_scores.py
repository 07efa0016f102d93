"""Reference scores: the base model's score of every response, computed once per model and tokens, then cached."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from moft import DataError, RunError
from moft.api import ProcessGroup, atomic_write
from moft_llm.data.token_dataset import TokenDataset
from moft_llm.network.language_model import LanguageModel


@dataclass(frozen=True)
class ReferenceCache:
    """A folder of reference scores; each file is named after a hash of everything that its scores depend on.

    Args:
        folder: of the cache; it need not exist.
        model: hash of the base model and its tokenizer.
        process_group: all its processes fill the same datasets in the same order. Only the main process reads and writes files.
    """

    folder: Path
    model: str
    process_group: ProcessGroup

    def fill(
        self,
        dataset: TokenDataset,
        model: Callable[[], LanguageModel],
        *,
        tokens: str,
        kind: str,
        budget: int,
        precision: AbstractContextManager[None] | None = None,
    ) -> bool:
        """Writes the reference scores of every response into `dataset`. Processes share the computation.

        Args:
            dataset: of a split.
            model: makes the model that computes scores missing in the cache.
            tokens: hash of the dataset's tokens.
            kind: what else the scores depend on, such as the precision.
            budget: tokens of a forward pass.
            precision: entered around forward passes; None changes nothing.

        Returns: True when the scores were in the cache.

        Raises:
            DataError: the file in the cache is damaged, or belongs to other scores.
        """
        key = hashlib.sha256(f"{self.model} {tokens} {kind}".encode()).hexdigest()
        path = self.folder / f"{key}.safetensors"
        items, process_group = len(dataset.reference), self.process_group
        cached = process_group.first(lambda: self._read(path, key, items) if path.exists() else None)
        is_cached = bool(process_group.summed(torch.tensor(float(cached is not None))))
        if cached is not None:
            dataset.reference.copy_(cached)
        elif not is_cached:
            self._compute(dataset, model(), budget, precision or nullcontext())
        dataset.reference.copy_(process_group.summed(dataset.reference))
        if not is_cached and process_group.index == 0:
            self._write(path, key, dataset.reference)
        return is_cached

    def _compute(self, dataset: TokenDataset, model: LanguageModel, budget: int, precision: AbstractContextManager[None]) -> None:
        """Computes the share of this process, and leaves the rest zero. All processes make the same number of passes."""
        data = dataset.batches(budget)
        with precision:
            for start in range(0, len(data), self.process_group.count):
                own = start + self.process_group.index
                batch = data.load(data.plan[min(own, len(data) - 1)])
                scores = model.reference(batch.inputs)
                if own < len(data):
                    dataset.fill(scores, batch)

    def _read(self, path: Path, key: str, items: int) -> Tensor:
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="pt") as file:
                saved_key, scores = (file.metadata() or {}).get("key"), file.get_tensor("scores")
        except (SafetensorError, OSError) as error:
            raise DataError(f"{path}: cached reference scores cannot be read ({error}). Remove the file.") from error
        if saved_key != key or scores.shape != (items,) or not torch.isfinite(scores).all():
            raise DataError(f"{path}: cached reference scores belong to another model or other data. Remove the file.")
        checked: Tensor = scores
        return checked

    def _write(self, path: Path, key: str, scores: Tensor) -> None:
        """Writes nothing where it cannot: the cache only saves time."""
        from safetensors.torch import save

        with suppress(OSError, RunError):
            path.parent.mkdir(parents=True, exist_ok=True)
            atomic_write(path, save({"scores": scores.cpu().contiguous()}, metadata={"key": key}))
