"""The clock of a job: seconds by purpose, and the training cost that follows from them."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

import torch

from moft.engine.training.jobs.job_records import TrainingCost


class TrainingClock:
    """Seconds that a job spent on steps and evaluations, and on timing single models of an ensemble.

    Args:
        device: whose work is waited for where a lap asks for it.
    """

    def __init__(self, device: torch.device) -> None:
        self.spent: dict[str, float] = {}
        self._device = device
        self._mark = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Of the job, without the timing of single models."""
        return self.spent.get("steps", 0.0) + self.spent.get("evaluations", 0.0)

    def start(self, spent: Mapping[str, float] | None = None) -> None:
        """Begins a lap; with `spent`, goes on from the seconds of a checkpoint."""
        self.spent = dict(self.spent if spent is None else spent)
        self._mark = time.perf_counter()

    def lap(self, *purposes: str, wait: bool = False) -> None:
        """Adds the time since the last lap to each of `purposes`; with `wait`, after the device has finished its work."""
        if wait and self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        now = time.perf_counter()
        for purpose in purposes:
            self.spent[purpose] = self.spent.get(purpose, 0.0) + now - self._mark
        self._mark = now

    def cost(self, models: int, parameters: int) -> TrainingCost:
        """What the models cost together, and would have cost one after another; NaN where no single model was timed."""
        if models == 1:
            return TrainingCost(1, self.seconds, self.seconds, parameters)
        separate = sum(
            models * self.spent[purpose] * self._share_of_one(purpose)
            for purpose in ("steps", "evaluations")
            if purpose in self.spent
        )
        return TrainingCost(models, self.seconds, separate, parameters)

    def _share_of_one(self, purpose: str) -> float:
        """Time of one model relative to that of all together, where both were timed."""
        together = self.spent.get(f"{purpose}, timed together", 0.0)
        return self.spent.get(f"{purpose}, timed alone", math.nan) / together if together else math.nan
