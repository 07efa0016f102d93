"""Reference scores: what the frozen base model says of every response, once for the same model and tokens, kept in the cache."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from moft import DataError
from moft.api import ProcessGroup
from moft_llm.data.token_dataset import TextStore
from moft_llm.network.language_model import LanguageModel


@dataclass(frozen=True)
class ReferenceCache:
    """A folder of reference scores, each file named after all that its scores depend on.

    Args:
        folder: of the cache; it need not exist.
        model: hash of the base model and its tokenizer.
        team: of processes, all of which fill the same stores in the same order. The folder of the main one counts.
    """

    folder: Path
    model: str
    process_group: ProcessGroup

    def fill(
        self,
        store: TextStore,
        model: Callable[[], LanguageModel],
        *,
        tokens: str,
        kind: str,
        budget: int,
        precision: AbstractContextManager[None] | None = None,
    ) -> bool:
        """Writes the reference scores of every response into `store`; what has to be computed is shared out over processes.

        Args:
            store: of a split.
            model: makes the one whose `reference` is asked where the cache has no answer.
            tokens: hash of the store's tokens.
            kind: what else the scores depend on, such as the precision.
            budget: tokens of a forward pass.
            precision: entered around forward passes; None changes nothing.

        Returns: True when the scores were in the cache.

        Raises:
            DataError: the file in the cache is not whole, or was made for something else.
        """
        key = hashlib.sha256(f"{self.model} {tokens} {kind}".encode()).hexdigest()
        path = self.folder / f"{key}.safetensors"
        items, process_group = len(store.reference), self.process_group
        kept = process_group.first(lambda: self._read(path, key, items) if path.exists() else None)
        is_kept = bool(process_group.summed(torch.tensor(float(kept is not None))))
        if kept is not None:
            store.reference.copy_(kept)
        elif not is_kept:
            self._compute(store, model(), budget, precision or nullcontext())
        store.reference.copy_(process_group.summed(store.reference))
        if not is_kept and process_group.index == 0:
            self._write(path, key, store.reference)
        return is_kept

    def _compute(self, store: TextStore, model: LanguageModel, budget: int, precision: AbstractContextManager[None]) -> None:
        """Fills in the share of this process, and leaves the others zero; all processes make the same number of passes."""
        data = store.batches(budget)
        with precision:
            for start in range(0, len(data), self.process_group.count):
                own = start + self.process_group.index
                batch = data.load(data.plan[min(own, len(data) - 1)])
                scores = model.reference(batch.inputs)
                if own < len(data):
                    store.fill(scores, batch)

    def _read(self, path: Path, key: str, items: int) -> Tensor:
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="pt") as file:
                made_for, scores = (file.metadata() or {}).get("key"), file.get_tensor("scores")
        except (SafetensorError, OSError) as error:
            raise DataError(f"{path}: reference scores in the cache cannot be read ({error}); remove the file.") from error
        if made_for != key or scores.shape != (items,) or not torch.isfinite(scores).all():
            raise DataError(f"{path}: reference scores in the cache are of another model or of other data; remove the file.")
        found: Tensor = scores
        return found

    def _write(self, path: Path, key: str, scores: Tensor) -> None:
        """The cache only saves time: where it cannot be written, nothing is kept."""
        from safetensors.torch import save_file

        temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            save_file({"scores": scores.cpu().contiguous()}, temporary, metadata={"key": key})
            os.replace(temporary, path)
