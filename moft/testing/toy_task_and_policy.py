"""The toy task, with two objectives and a known front, and a policy for it; without files, trained in seconds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor, nn

from moft.engine.data.length_batching import length_grouped
from moft.engine.policies.conditioned_policy import ConditionedPolicy
from moft.engine.policies.item_mlp import ItemNetwork
from moft.engine.seed import generator_for
from moft.errors import ConfigError
from moft.interfaces import Conditioner, Context, Model, Policy, Task, Trainer
from moft.setting_types import Count, Fraction
from moft.testing.contracts.assertions import forked_randomness, perturbed
from moft.types import Batch, Batches, Injection, ModelSpec, Nouns, Objective, Slot, betas_of

FEATURES = 6


class ToyTask:
    """Lists of items with two labels that are linear in six features and conflict to a chosen degree.

    The scores that minimise a weighted sum of ListNet losses at beta 1 are `reference + log(sum_j w_j softmax(z_j))`, so every
    front of the task is known: `best_scores`.

    Args:
        context: device and seed; nothing is cached.
        lists: number of lists in the training split; the other splits have a quarter as many each.
        conflict: from 0 (both objectives are the same) to 1 (they are opposites).
        items_per_batch: number of items in a batch, with padding.
    """

    nouns = Nouns()

    def __init__(self, context: Context, *, lists: Count = 48, conflict: Fraction = 0.7, items_per_batch: Count = 64) -> None:
        self.objectives: tuple[Objective, ...] = (Objective("first", label="toy"), Objective("second", label="toy"))
        self.main: Objective | None = Objective("main", label="toy")
        self._device, self._seed, self._budget = context.device, context.seed, items_per_batch
        self._sizes = {"train": lists, "validation": max(2, lists // 4), "test": max(2, lists // 4)}
        angle = torch.tensor(conflict * torch.pi)
        self._directions = torch.zeros(2, FEATURES)
        self._directions[0, 0] = 1
        self._directions[1, 0], self._directions[1, 1] = angle.cos(), angle.sin()

    def prepare(self, trainer: Trainer) -> None:
        return None

    def state(self) -> Mapping[str, Tensor]:
        return {"directions": self._directions}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self._directions = state["directions"]

    def model(self, tradeoff_size: int) -> Model:
        return ItemNetwork(FEATURES, tradeoff_size).to(self._device)

    def batches(self, split: str, generator: Generator | None = None) -> Batches:
        if split not in self._sizes:
            raise ConfigError(f"split {split!r} is unknown; splits are {', '.join(self._sizes)}.")
        draws = generator_for(self._seed, "toy", split)
        count = self._sizes[split]
        lengths = torch.randint(3, 9, (count,), generator=draws)
        features = torch.randn(count, 8, FEATURES, generator=draws)

        def load(lists: Tensor) -> Batch:
            longest = int(lengths[lists].max())
            items = torch.arange(longest) < lengths[lists].unsqueeze(1)  # [batch, list]
            chosen = features[lists, :longest] * items.unsqueeze(-1)  # [batch, list, features]
            labels = 2 * chosen @ self._directions.T  # [batch, list, m]
            place = self._device
            return Batch(
                inputs={"features": chosen.to(place), "items": items.to(place)},
                labels=labels.to(place),
                mask=items.unsqueeze(-1).expand(labels.shape).to(place),
                reference=(0.5 * chosen[..., 2]).to(place),
                items=items.to(place),
                main=chosen[..., 2].clamp(min=0).to(place),
                lists=lists.to(place),
            )

        return Batches(length_grouped(lengths, self._budget, generator), load)

    def read(self, path: Path) -> Batches:
        raise ConfigError(f"{path}: the toy task reads no files.")

    def identity(self) -> Mapping[str, Any]:
        return {"toy": self._sizes, "seed": self._seed}


class Shift(Conditioner):
    """A shift at the first site, linear in the tradeoff: the simplest conditioner.

    Args:
        spec: of the model.
    """

    slots: frozenset[Slot] = frozenset({"modulation"})

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self._site = spec.sites[0]
        self.shift = nn.Linear(spec.tradeoff_size, spec.hidden_size, bias=False)

    def forward(self, vector: Tensor) -> Injection:
        return Injection({self._site: (None, self.shift(vector))})


def toy_task(**settings: Any) -> ToyTask:
    """The toy task on the CPU, with seed 0.

    Args:
        settings: of the task: `lists`, `conflict`, `items_per_batch`.
    """
    return ToyTask(Context(torch.device("cpu"), 0, Path("cache")), **settings)


def toy_policy(task: Task) -> Policy:
    """A policy for a task whose models read modulation, with random parameters: its scores differ for every tradeoff.

    Args:
        task: prepared.
    """
    with forked_randomness():
        model = task.model(len(task.objectives))
        policy = ConditionedPolicy(model, Shift(model.spec), betas_of(task.objectives))
    return perturbed(policy)


def best_scores(batch: Batch, weights: Tensor) -> Tensor:
    """`[batch, list]`, the scores that minimise a weighted sum of ListNet losses at beta 1, up to a shift per list.

    Args:
        batch: of the toy task, or of any other task whose objectives have dense labels.
        weights: `[batch, m]` or `[1, m]`.

    Source: arXiv 2410.08316, equation 12, solved for free scores.
    """
    hidden = batch.labels.masked_fill(~batch.mask, torch.finfo(batch.labels.dtype).min)
    targets = hidden.softmax(dim=1)  # [batch, list, m]
    mixture = (targets * weights.unsqueeze(1)).sum(-1)  # [batch, list]
    return batch.reference + mixture.clamp(min=1e-30).log()
