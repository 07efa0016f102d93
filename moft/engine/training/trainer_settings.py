"""The settings of the training loop."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Le

from moft.setting_types import Count, Epochs, Fraction, NonNegative, Positive


@dataclass(frozen=True)
class TrainerSettings:
    """How losses are minimised.

    Args:
        epochs: passes over the training lists.
        learning_rate: peak rate of AdamW.
        weight_decay: of AdamW; larger keeps weights smaller.
        schedule: `cosine` falls to zero at the end, `constant` stays.
        warmup: share of the steps in which the rate rises from zero.
        max_grad_norm: largest norm of the gradient; null does not clip.
        gradient_accumulation_steps: batches per step; more make a larger step in the same memory.
        precision: `float32`, or `bf16` by autocast.
        evaluations: how often during training the front is measured on the validation split, to keep the best weights;
            0 never does, and keeps the last ones.
        checkpoint_steps: steps between checkpoints.
        models_at_once: the most models of one shape that are trained at a time, by methods that train several; null for as
            many as memory allows, 1 for one after another. The models are the same either way.
        sharding: how several processes share a model. `none`: each holds a copy of it. `full` (FSDP): each holds a part of every
            weight, and of its gradient and moments, and gathers a block where it is used; it is for models that do not fit on one
            device, and for methods that train one. The results are the same, but for rounding.
        device: `auto` takes a GPU where there is one.
        threads: threads of the CPU; null leaves torch's own choice.
    """

    epochs: Epochs = 30
    learning_rate: Positive = 3e-3
    weight_decay: NonNegative = 0.01
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup: Fraction = 0.1
    max_grad_norm: Positive | None = 1.0
    gradient_accumulation_steps: Count = 1
    precision: Literal["float32", "bf16"] = "float32"
    evaluations: Annotated[int, Ge(0), Le(10_000)] = 5
    checkpoint_steps: Count = 100
    models_at_once: Count | None = None
    sharding: Literal["none", "full"] = "none"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: Annotated[int, Ge(1), Le(1_024)] | None = None

    @property
    def is_cpu(self) -> bool:
        """True if training is on the CPU, by choice or because there is no accelerator."""
        return self.device == "cpu" or not torch.accelerator.is_available()


def evaluated_epochs(epochs: int, evaluations: int) -> frozenset[int]:
    """The epochs, from 1, after which the front is measured: evenly spread, the last one among them."""
    return frozenset(math.ceil(epochs * index / evaluations) for index in range(1, evaluations + 1))
