"""One objective of a problem."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from moft.errors import ConfigError


class LossFunction(Protocol):
    """The call of a loss, without importing its interface `moft.interfaces.Loss`."""

    def __call__(self, rewards: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
        """`[..., list]` three times to `[...]`."""
        ...


@dataclass(frozen=True)
class Objective:
    """One objective of a problem.

    Args:
        name: as the config file calls it.
        beta: DPO's beta, > 0; larger stays closer to the base model.
        gain: how a label counts in NDCG: `linear` is the label itself, `exp2` is 2^label - 1.
        loss: for this objective; None takes the method's.
        label: what a label of it is, in words, for reports.
        metrics: how it is measured, by the names of the evaluator, such as `value@5`; the first is its value on the front, the
            others are written beside it. Empty for the evaluator's own.
    """

    name: str
    beta: float = 1.0
    gain: Literal["linear", "exp2"] = "linear"
    loss: LossFunction | None = None
    label: str = ""
    metrics: tuple[str, ...] = ()


def betas_of(objectives: Sequence[Objective]) -> Tensor:
    """`[1, m]`, the objectives' own betas."""
    return torch.tensor([[objective.beta for objective in objectives]])


RESERVED = (
    "main",
    "hypervolume",
    "job",
    "jobs",
    "step",
    "epoch",
    "epochs",
    "progress",
    "loss",
    "gradient",
    "learning_rate",
    "seconds",
    "lists",
)
"""Names that moft uses for values of a step and of the front."""


def check_objective_names(objectives: Sequence[Objective]) -> None:
    """Checks that names do not clash with other values in tables, and can be typed in `--weights`.

    Raises:
        ConfigError: one does, or cannot.
    """
    for name in (objective.name for objective in objectives):
        if name in RESERVED:
            raise ConfigError(f"an objective cannot be called {name!r}; moft uses these names itself: {', '.join(RESERVED)}.")
        if name != name.strip() or not name.isprintable() or not name or set(name) & set(",="):
            raise ConfigError(
                f"an objective cannot be called {name!r}; a name must not be empty, start or end with a space, or contain a "
                "comma, an equals sign or a line break."
            )
