"""The weights of each model at its best evaluation so far."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from torch import Tensor

from moft.engine.policies.state_dict import load_own, whole_state
from moft.engine.training.training_job import Job


class BestWeights:
    """Best values and weights of the models of a job.

    Args:
        job: whose `best` names the value; None keeps nothing.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self.values = [-math.inf] * len(job.models)
        self.weights: dict[str, Tensor] = {}

    def update(self, evaluations: Sequence[Mapping[str, float]]) -> None:
        """Keeps the weights of every model that is now at least as good as before; all processes call it together.

        Args:
            evaluations: values of each model.
        """
        job = self._job
        for index, (model, values) in enumerate(zip(job.models, evaluations, strict=True)):
            if job.best is not None and values[job.best] >= self.values[index]:  # of equal ones the last, which is trained most
                self.values[index] = values[job.best]
                prefix = "" if model is job.module else f"{index}."
                self.weights |= {f"{prefix}{name}": value for name, value in whole_state(model).items()}

    def load(self) -> None:
        """Loads them into the models, if any were kept."""
        if self.weights:
            load_own(self._job.module, self.weights)
