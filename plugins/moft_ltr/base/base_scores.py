"""Reference scores: what the frozen base ranker says of every item, standardised on the training items."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from moft import ConfigError, DataError
from moft.api import Trainer
from moft_ltr.base.base_ranker import Base, NeuralBase, base_weights, network_scores, trained_base
from moft_ltr.base.lambdamart import LambdaMART, trained_trees
from moft_ltr.base.lightgbm_model import LightGBMModel, booster_scores, booster_text, loaded_booster, tensor_text, text_tensor
from moft_ltr.data.columns import column_number
from moft_ltr.data.feature_scaling import blocks_of, column_of
from moft_ltr.data.lists_on_device import ListStore
from moft_ltr.data.splits import Chosen


class Reference:
    """The base ranker, learned or loaded, and the scale of its scores.

    Args:
        base: its settings.
        budget: padded items of a batch when it scores.
        inputs: `[features]`, the columns from 0 that the tuned ranker reads.
    """

    def __init__(self, base: Base, budget: int, inputs: NDArray[np.int64]) -> None:
        self._base, self._budget, self._inputs = base, budget, inputs
        self._mean, self._deviation = 0.0, 1.0
        self._weights: dict[str, Tensor] = {}
        self._booster: Any = None

    def learn(
        self,
        trainer: Trainer,
        stores: Mapping[str, ListStore],
        splits: Mapping[str, Sequence[Chosen]],
        *,
        seed: int,
        gain: str,
    ) -> None:
        """Trains or reads the base ranker, then measures the scale of its scores on the training items.

        Args:
            trainer: of the run.
            stores: `train` and `validation`.
            splits: what they were built from.
            seed: of the run.
            gain: of the main labels in NDCG.
        """
        base, train, validation = self._base, stores["train"], stores["validation"]
        if isinstance(base, NeuralBase):
            network = trained_base(base, trainer, train, validation, budget=self._budget, seed=seed, gain=gain)
            self._weights = {f"base.{name}": value.detach().cpu().clone() for name, value in network.state_dict().items()}
        elif isinstance(base, LightGBMModel):
            self._weights = {"booster": text_tensor(booster_text(base))}
        elif isinstance(base, LambdaMART):
            blocks = self._blocks(splits["train"]), self._blocks(splits["validation"])

            def grown() -> Mapping[str, Tensor]:
                text = trained_trees(base, blocks, train, validation, budget=self._budget, seed=seed, gain=gain)
                return {"booster": text_tensor(text)}

            self._weights = dict(trainer.once("base", grown))
        raw = self._raw(train, splits["train"])
        deviation = raw.std().item()
        if not deviation > 0:
            raise DataError(
                f"[task.base] every training item has the reference score {raw[0].item():g}; a base ranker must rank."
            )
        self._mean, self._deviation = raw.mean().item(), deviation

    def state(self) -> dict[str, Tensor]:
        """What `restore` takes back."""
        scale = torch.tensor([self._mean, self._deviation], dtype=torch.float64)
        return {"reference": scale, **self._weights}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Takes back a saved state."""
        self._mean, self._deviation = state["reference"].tolist()
        self._weights = {name: value for name, value in state.items() if name.startswith("base.") or name == "booster"}

    def fill(self, store: ListStore, parts: Sequence[Chosen]) -> None:
        """Writes the reference scores of a store, built from `parts`."""
        raw = self._raw(store, parts)
        store.reference.copy_((raw - self._mean) / self._deviation)

    def _raw(self, store: ListStore, parts: Sequence[Chosen]) -> Tensor:
        """`[items]`, as the base ranker gives them."""
        base = self._base
        if isinstance(base, NeuralBase):
            with torch.device("meta"):  # first weights would be drawn from the global generator, and thrown away
                network = base.network(store.features.shape[1])
            network.load_state_dict(base_weights(self._weights), assign=True)
            return network_scores(network.to(store.features.device), store, self._budget)
        if isinstance(base, LightGBMModel):
            scores = [self._boosted(part, base.columns) for part in parts]
        elif isinstance(base, LambdaMART):
            scores = [self._boosted(part, None) for part in parts]
        else:
            number = [column_number(part.data, base.column, "task.base.column") for part in parts]
            scores = [column_of(part.data.features, part.items, n - 1) for part, n in zip(parts, number, strict=True)]
        return torch.from_numpy(np.concatenate(scores)).to(store.features.device)

    def _blocks(self, parts: Sequence[Chosen]) -> Iterator[NDArray[np.float32]]:
        """The raw inputs of every item of `parts`, in pieces."""
        for part in parts:
            yield from blocks_of(part.data.features, part.items, self._inputs)

    def _boosted(self, part: Chosen, columns: Sequence[int] | None) -> NDArray[np.float32]:
        if self._booster is None:
            self._booster = loaded_booster(tensor_text(self._weights["booster"].cpu()))
        numbers = self._inputs if columns is None else np.array(columns, dtype=np.int64) - 1
        wanted = self._booster.num_feature()
        if wanted != len(numbers):
            raise ConfigError(
                f"[task.base.columns] the LightGBM model reads {wanted} features, and {len(numbers)} columns are given; "
                "list its columns in order."
            )
        for number in numbers:
            column_number(part.data, int(number) + 1, "task.base.columns")
        blocks = blocks_of(part.data.features, part.items, numbers)
        return np.concatenate([booster_scores(self._booster, block) for block in blocks])
