"""The weights that an exported policy is served at: rounded to its steps, except for its choices; and its one dial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from moft import ConfigError
from moft.api import Policy, Tradeoff
from moft_llm.generation.model_of_policy import is_as_trained
from moft_vllm.tradeoffs import Tradeoffs

_SAME = 1e-6  # weights of a choice, in 32 bits


@dataclass(frozen=True)
class Place:
    """Where a text is generated.

    Args:
        model: the name that vLLM's part knows it by.
        weights: in order.
        label: that an answer has in its head.
    """

    model: str
    weights: Sequence[float]
    label: str


class ServedWeights:
    """Finds the weights that are served for those that are asked for.

    Args:
        policy: of the run.
        record: of the exported folder.
        steps: that weights are rounded to multiples of; 0 rounds none.
    """

    def __init__(self, policy: Policy, record: Mapping[str, Any], steps: int) -> None:
        self._policy, self._name, self._steps = policy, record["name"], steps
        self._tradeoffs = Tradeoffs(record, steps)
        chosen = {name: [choice["weights"][each] for each in record["objectives"]] for name, choice in record["choices"].items()}
        self._choices = {name: chosen[name] for name, choice in record["choices"].items() if abs(choice["dial"] - 1) <= _SAME}

    def place(self, tradeoff: Tradeoff) -> Place:
        """Where the text of a tradeoff of one row is generated.

        Raises:
            ConfigError: its dial is not 1.
        """
        self.check_dial(tradeoff)
        asked: list[float] = tradeoff.weights[0].double().tolist()
        choice = next((name for name, own in self._choices.items() if _are_same(own, asked)), None)
        model = self._name if choice is None else f"{self._name}:{choice}"
        found = self._tradeoffs.of({"model": model, **({"weights": asked} if choice is None else {})})
        weights = asked if found is None else list(found.weights)
        return Place(model, weights, self._tradeoffs.named(weights))

    def rounded(self, tradeoff: Tradeoff) -> tuple[Tradeoff, tuple[str, ...]]:
        """The tradeoff that is served, and a sentence if its weights are others.

        Raises:
            ConfigError: its dial is not 1.
        """
        served = Tradeoff(torch.tensor([self.place(tradeoff).weights], dtype=tradeoff.weights.dtype), tradeoff.betas)
        if torch.allclose(served.weights, tradeoff.weights, rtol=0, atol=_SAME):
            return served, ()
        return served, (f"vLLM generates at weights that are multiples of 1/{self._steps}; these are the nearest.",)

    def check_dial(self, tradeoff: Tradeoff) -> None:
        """Refuses what vLLM cannot do.

        Raises:
            ConfigError: the dial is not 1.
        """
        dial = self._policy.magnitude(tradeoff)
        if not is_as_trained(dial).all():
            raise ConfigError(
                f"dial: {float(dial[0]):.4g} is not available on vLLM, only 1; --engine transformers has all of them."
            )


def _are_same(one: Sequence[float], other: Sequence[float]) -> bool:
    return all(abs(left - right) <= _SAME for left, right in zip(one, other, strict=True))
