"""Base rankers: a network trained on relevance, scores from a column, or a LightGBM model file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from moft import ConfigError, DataError
from moft.api import Batch, Count, Default, Injection, Loss, Positive, Trainer, seed_initialisation
from moft_ltr.ndcg import ndcg, ranking
from moft_ltr.network import Ranker, check_heads
from moft_ltr.store import ListStore

Floats = NDArray[np.float32]

MODEL_PARTS = ("num_class=", "max_feature_idx=", "end of trees")
"""Lines of every LightGBM model file; of one without them LightGBM complains past us, on stderr."""


@dataclass(frozen=True)
class NeuralBase:
    """A transformer over the items, trained on the main objective.

    Args:
        loss: on the main labels.
        width: hidden size.
        layers: transformer layers.
        heads: attention heads; divides `width`.
        epochs: passes over the training lists; the best one on the validation lists is kept.
        learning_rate: peak rate.
    """

    loss: Annotated[Loss, Default("listnet")]
    name: Literal["neural"] = "neural"
    width: Count = 128
    layers: Count = 2
    heads: Count = 2
    epochs: Count = 15
    learning_rate: Positive = 1e-3

    def __post_init__(self) -> None:
        check_heads(self.heads, self.width)

    def network(self, features: int) -> Ranker:
        """An untrained ranker for inputs of width `features`."""
        return Ranker(features, tradeoff_size=0, width=self.width, layers=self.layers, heads=self.heads, is_correction=False)


@dataclass(frozen=True)
class ScoreColumn:
    """Scores that the data brings along.

    Args:
        column: number in the file, from 1; it leaves the inputs.
    """

    column: Count
    name: Literal["scores"] = "scores"


@dataclass(frozen=True)
class LightGBMModel:
    """A gradient-boosted ranker, read from its text file.

    Args:
        path: model file, as LightGBM's `save_model` writes it.
        columns: the columns of the data, from 1, that are its features, in order; null for the inputs of the tuned ranker.
    """

    path: str
    name: Literal["lightgbm"] = "lightgbm"
    columns: list[Count] | None = None


Base = NeuralBase | ScoreColumn | LightGBMModel


def trained_base(
    settings: NeuralBase, trainer: Trainer, train: ListStore, validation: ListStore, *, budget: int, seed: int, gain: str
) -> Ranker:
    """The network of `settings`, trained as the job `base` and kept at its best NDCG@10 on the validation lists."""
    seed_initialisation(seed, "base")
    network = settings.network(train.features.shape[1]).to(train.features.device)

    def loss_of(batch: Batch) -> Tensor:
        return settings.loss(network(batch.inputs, Injection()), batch.main, batch.items)

    def evaluate() -> dict[str, float]:
        values = []
        with torch.no_grad():
            for batch in validation.batches(budget):
                order = ranking(network(batch.inputs, Injection()).unsqueeze(0), batch.items, 10)
                values.append(ndcg(order, batch.main, batch.items, gain, "skip")[0])
        return {"validation_ndcg": torch.cat(values).nanmean().item()}

    trainer.minimise(
        "base",
        network,
        lambda generator: train.batches(budget, generator),
        loss_of,
        evaluate=evaluate,
        best="validation_ndcg",
        epochs=settings.epochs,
        learning_rate=settings.learning_rate,
    )
    return network


def network_scores(network: Ranker, store: ListStore, budget: int) -> Tensor:
    """`[items]`, what the network says of every item of `store`."""
    scores = store.features.new_zeros(len(store.features))
    with torch.no_grad():
        for batch in store.batches(budget):
            store.flat(network(batch.inputs, Injection()), batch, scores)
    return scores


def booster_text(settings: LightGBMModel) -> str:
    """The model file's text.

    Raises:
        DataError: it cannot be read, or is no LightGBM model.
    """
    path = Path(settings.path).expanduser()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"[task.base.path] {settings.path}: cannot read a LightGBM model there ({error}).") from error
    if not text.startswith("tree"):
        raise DataError(f"[task.base.path] {settings.path}: begins with {text[:20]!r}; a LightGBM model file begins with 'tree'.")
    lacking = [part for part in MODEL_PARTS if part not in text]
    if lacking:
        raise DataError(f"[task.base.path] {settings.path}: is cut short or no LightGBM model; it has no line {lacking[0]!r}.")
    return text


def loaded_booster(text: str) -> Any:
    """The LightGBM booster of a model file's text.

    Raises:
        ConfigError: lightgbm is not installed.
        DataError: LightGBM refuses the text, or its model is no ranker.
    """
    try:
        import lightgbm
    except ImportError as error:
        raise ConfigError("[task.base] 'lightgbm' needs the package lightgbm: pip install 'moft[lightgbm]'.") from error
    try:
        booster = lightgbm.Booster(model_str=text)
    except lightgbm.basic.LightGBMError as error:
        raise DataError(f"[task.base.path] LightGBM cannot read the model: {error}") from error
    if booster.num_model_per_iteration() != 1:
        scores = booster.num_model_per_iteration()
        raise DataError(f"[task.base.path] the LightGBM model gives {scores} scores for each item; a ranker gives one.")
    return booster


def booster_scores(booster: Any, features: Floats) -> Floats:
    """`[items]`, raw scores for `features`, `[items, columns]`."""
    return np.asarray(booster.predict(features, raw_score=True), dtype=np.float32)


def text_tensor(text: str) -> Tensor:
    """UTF-8 text as a tensor of bytes, which safetensors can hold."""
    return torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8).clone()


def tensor_text(tensor: Tensor) -> str:
    """The text that `text_tensor` made a tensor."""
    return tensor.numpy().tobytes().decode()


def base_weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The base network's weights within a task's state."""
    return {name.removeprefix("base."): value for name, value in state.items() if name.startswith("base.")}
