"""The choices of `task.base`, and how the neural base ranker is trained and scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor

from moft.api import Batch, Default, Epochs, Injection, Layers, Loss, Positive, Trainer, Width, seed_initialisation
from moft_ltr.base.lambdamart import LambdaMART
from moft_ltr.base.lightgbm_model import LightGBMModel
from moft_ltr.data.features.network_inputs import NetworkInputs
from moft_ltr.data.lists_on_device import ListStore
from moft_ltr.metrics.ndcg import ndcg, ranking
from moft_ltr.metrics.tied_metrics import mean_over_queries
from moft_ltr.network.list_transformer import Ranker, check_heads


@dataclass(frozen=True)
class NeuralBase:
    """A transformer over the documents of a query, trained on the main objective.

    Args:
        loss: on the main labels.
        width: hidden size.
        layers: transformer layers.
        heads: attention heads; divides `width`.
        epochs: passes over the training queries; the best checkpoint on the validation queries is kept.
        learning_rate: peak learning rate.
    """

    loss: Annotated[Loss, Default("listnet")]
    name: Literal["neural"] = "neural"
    width: Width = 128
    layers: Layers = 2
    heads: Width = 2
    epochs: Epochs = 15
    learning_rate: Positive = 1e-3

    def __post_init__(self) -> None:
        check_heads(self.heads, self.width)

    def network(self, inputs: NetworkInputs) -> Ranker:
        """An untrained ranker for inputs of a network."""
        return Ranker(
            inputs.width,
            tradeoff_size=0,
            width=self.width,
            layers=self.layers,
            heads=self.heads,
            is_correction=False,
            categories=inputs.sizes,
        )


@dataclass(frozen=True)
class ScoreColumn:
    """Scores that a column of the data holds.

    Args:
        column: number of the column, from 1, or its name in a table; it is not an input.
    """

    column: int | str
    name: Literal["scores"] = "scores"


Base = NeuralBase | ScoreColumn | LightGBMModel | LambdaMART


def train_base_ranker(
    settings: NeuralBase, trainer: Trainer, train: ListStore, validation: ListStore, *, budget: int, seed: int, gain: str
) -> Ranker:
    """Trains the network of `settings` as the job `base`, and keeps its best checkpoint by NDCG@10 on the validation queries."""
    seed_initialisation(seed, "base")
    network = settings.network(train.network).to(train.labels.device)

    def loss_of(batch: Batch) -> Tensor:
        costs = settings.loss(network(batch.inputs, Injection()), batch.main, batch.items)
        return costs if batch.list_weights is None else costs * batch.list_weights

    def evaluate() -> dict[str, float]:
        values, weights = [], list[Tensor]()
        with torch.no_grad():
            for batch in validation.batches(budget):
                order = ranking(network(batch.inputs, Injection()).unsqueeze(0), batch.items, 10)
                values.append(ndcg(order, batch.main, batch.items, gain, "skip")[0])
                weights += [] if batch.list_weights is None else [batch.list_weights]
        return {"validation_ndcg": mean_over_queries(torch.cat(values), torch.cat(weights) if weights else None)}

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
    """`[items]`, the network's score of every document of `store`."""
    scores = store.labels.new_zeros(len(store.labels))
    with torch.no_grad():
        for batch in store.batches(budget):
            store.flat(network(batch.inputs, Injection()), batch, scores)
    return scores


def base_weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The base network's weights within a task's state."""
    return {name.removeprefix("base."): value for name, value in state.items() if name.startswith("base.")}
