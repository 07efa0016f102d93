"""Base scores: the frozen base ranker's score of every document, standardised on the training documents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from moft import ConfigError, DataError
from moft.api import Trainer
from moft_ltr.base.base_ranker import Base, NeuralBase, base_weights, network_scores, train_base_ranker
from moft_ltr.base.lambdamart import LambdaMART, train_lambdamart
from moft_ltr.base.lightgbm_model import (
    LightGBMModel,
    booster_scores,
    import_lightgbm,
    load_booster,
    read_model_text,
    tensor_to_text,
    text_to_tensor,
)
from moft_ltr.data.columns import column_number
from moft_ltr.data.feature_scaling import feature_blocks, read_column
from moft_ltr.data.lists_on_device import ListStore
from moft_ltr.data.splits import QuerySubset


class BaseScores:
    """The base ranker, trained or loaded, and the scale of its scores.

    Args:
        base: settings of the base ranker.
        budget: documents of a batch when it scores, padding included.
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
        splits: Mapping[str, Sequence[QuerySubset]],
        *,
        seed: int,
        gain: str,
    ) -> None:
        """Trains or loads the base ranker, then measures the scale of its scores on the training documents.

        Args:
            trainer: of the run.
            stores: `train` and `validation`.
            splits: the queries that the stores were built from.
            seed: of the run.
            gain: of the main labels in NDCG.

        Raises:
            DataError: all training documents have the same score.
        """
        base, train, validation = self._base, stores["train"], stores["validation"]
        if isinstance(base, NeuralBase):
            network = train_base_ranker(base, trainer, train, validation, budget=self._budget, seed=seed, gain=gain)
            self._weights = {f"base.{name}": value.detach().cpu().clone() for name, value in network.state_dict().items()}
        elif isinstance(base, LightGBMModel):
            self._weights = {"booster": text_to_tensor(read_model_text(base))}
        elif isinstance(base, LambdaMART):
            blocks = self._blocks(splits["train"]), self._blocks(splits["validation"])

            def train_once() -> Mapping[str, Tensor]:
                text = train_lambdamart(base, blocks, train, validation, budget=self._budget, seed=seed, gain=gain)
                return {"booster": text_to_tensor(text)}

            self._weights = dict(trainer.once("base", train_once))
        raw = self._raw_scores(train, splits["train"])
        deviation = raw.std().item()
        if not deviation > 0:
            raise DataError(
                f"[task.base] every training document has the base score {raw[0].item():g}; choose a base ranker that ranks them."
            )
        self._mean, self._deviation = raw.mean().item(), deviation

    def check(self, store: ListStore, parts: Sequence[QuerySubset]) -> None:
        """Checks that a base ranker that is not trained here scores these queries, the ones that `store` was built from.

        Raises:
            ConfigError: its package is missing, or it takes other columns.
            DataError: its file is missing, damaged or of another kind, or the data lacks its column.
        """
        if isinstance(self._base, LightGBMModel):
            self._weights = {"booster": text_to_tensor(read_model_text(self._base))}
        if isinstance(self._base, LightGBMModel | LambdaMART):
            import_lightgbm()
        if not isinstance(self._base, NeuralBase | LambdaMART):
            self._raw_scores(store, parts)

    def state(self) -> dict[str, Tensor]:
        """Tensors for `restore`."""
        scale = torch.tensor([self._mean, self._deviation], dtype=torch.float64)
        return {"reference": scale, **self._weights}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Restores a saved state."""
        self._mean, self._deviation = state["reference"].tolist()
        self._weights = {name: value for name, value in state.items() if name.startswith("base.") or name == "booster"}

    def fill(self, store: ListStore, parts: Sequence[QuerySubset]) -> None:
        """Writes the base scores into the store that was built from `parts`."""
        raw = self._raw_scores(store, parts)
        store.reference.copy_((raw - self._mean) / self._deviation)

    def _raw_scores(self, store: ListStore, parts: Sequence[QuerySubset]) -> Tensor:
        """`[items]`, the base ranker's scores before they are standardised."""
        base = self._base
        if isinstance(base, NeuralBase):
            with torch.device("meta"):  # an initialisation would draw from the global generator, for nothing
                network = base.network(store.features.shape[1])
            network.load_state_dict(base_weights(self._weights), assign=True)
            return network_scores(network.to(store.features.device), store, self._budget)
        if isinstance(base, LightGBMModel):
            scores = [self._booster_scores(part, base.columns) for part in parts]
        elif isinstance(base, LambdaMART):
            scores = [self._booster_scores(part, None) for part in parts]
        else:
            number = [column_number(part.data, base.column, "task.base.column") for part in parts]
            scores = [read_column(part.data.features, part.items, n - 1) for part, n in zip(parts, number, strict=True)]
        return torch.from_numpy(np.concatenate(scores)).to(store.features.device)

    def _blocks(self, parts: Sequence[QuerySubset]) -> Iterator[NDArray[np.float32]]:
        """The unscaled inputs of every document of `parts`, block by block."""
        for part in parts:
            yield from feature_blocks(part.data.features, part.items, self._inputs)

    def _booster_scores(self, part: QuerySubset, columns: Sequence[int] | None) -> NDArray[np.float32]:
        if self._booster is None:
            self._booster = load_booster(tensor_to_text(self._weights["booster"].cpu()))
        numbers = self._inputs if columns is None else np.array(columns, dtype=np.int64) - 1
        expected = self._booster.num_feature()
        if expected != len(numbers):
            raise ConfigError(
                f"[task.base.columns] the LightGBM model reads {expected} features, but it gets {len(numbers)} columns; "
                "list its columns in order."
            )
        for number in numbers:
            column_number(part.data, int(number) + 1, "task.base.columns")
        blocks = feature_blocks(part.data.features, part.items, numbers)
        return np.concatenate([booster_scores(self._booster, block) for block in blocks])
