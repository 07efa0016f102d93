"""Measures the outcomes of tradeoffs for a choice, on one split, and keeps what was measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from moft.engine.choices.search import DialledWeights
from moft.engine.choices.selection import Candidates
from moft.engine.fronts.base_model_policy import BasePolicy
from moft.engine.fronts.kept_points import measured_by_blocks
from moft.interfaces import Evaluator, Policy, Task
from moft.run.folder.run_folder import RunFolder
from moft.run.policy.point_files import PointFiles
from moft.run.run_settings import RunSettings
from moft.types import Batches, ListValues, Tradeoff


class ChoosableRun(Protocol):
    """What a choice is made of: an opened run."""

    @property
    def folder(self) -> RunFolder: ...
    @property
    def settings(self) -> RunSettings: ...
    @property
    def task(self) -> Task: ...
    @property
    def policy(self) -> Policy: ...
    @property
    def trained_betas(self) -> Tensor: ...


@dataclass(frozen=True)
class OutcomeMeter:
    """Measures the policy of a run and its base model on some lists.

    Args:
        run: opened.
        evaluator: the metric.
        lists: that are measured.
        names: of the outcomes.
        kept: where points are looked up and kept.
    """

    run: ChoosableRun
    evaluator: Evaluator
    lists: Batches
    names: Sequence[str]
    kept: PointFiles

    def __call__(self, places: DialledWeights, on_progress: Callable[[int], None] | None = None) -> Candidates:
        """The outcomes of tradeoffs, and of the base model.

        Args:
            places: the tradeoffs.
            on_progress: as for `measured_by_blocks`.
        """
        own = self._values(self.run.policy, self._tradeoff(places), self.kept, on_progress)
        return Candidates.of(self.names, self._columns(own), self.base, own.weights)

    def means_at(self, tradeoff: Tradeoff) -> dict[str, float]:
        """The means of the outcomes of one tradeoff, by name; those without a value are left out."""
        values = self._values(self.run.policy, tradeoff, self.kept)
        means = values.mean(self._columns(values))[0].tolist()
        return {name: mean for name, mean in zip(self.names, means, strict=True) if not math.isnan(mean)}

    @cached_property
    def base(self) -> Tensor:
        """`[lists, outcomes]`, the outcomes of the base model."""
        m = self.run.trained_betas.shape[1]
        anywhere = Tradeoff(torch.full((1, m), 1 / m), self.run.trained_betas)
        return self._columns(self._values(BasePolicy(self.run.task), anywhere, self.kept.of("base")))[0]

    def with_values(self) -> OutcomeMeter:
        """The same for the outcomes that some list has a value of."""
        has_value = (~self.base.isnan()).any(0).tolist()
        return replace(self, names=tuple(name for name, has in zip(self.names, has_value, strict=True) if has))

    def served(self, places: DialledWeights) -> DialledWeights:
        """The tradeoffs that the policy serves for these."""
        weights = self.run.policy.served(self._tradeoff(places)).expand(len(places)).weights
        return replace(places, weights=weights.to(places.weights))

    def _tradeoff(self, places: DialledWeights) -> Tradeoff:
        return Tradeoff(places.weights, places.dials.unsqueeze(1) * self.run.trained_betas)

    def _values(
        self, policy: Policy, tradeoff: Tradeoff, kept: PointFiles, on_progress: Callable[[int], None] | None = None
    ) -> ListValues:
        values = measured_by_blocks(policy.eval(), self.lists, self.evaluator, tradeoff, kept, on_progress).ordered()
        return values if self.lists.weights is None else replace(values, weights=self.lists.weights[values.lists])

    def _columns(self, values: ListValues) -> Tensor:
        """`[n, lists, outcomes]`, in the order of the names."""
        names = (objective.name for objective in self.run.task.objectives)
        objectives = dict(zip(names, values.values.unbind(-1), strict=True))
        known = {values.main_name: values.main, **values.more, **objectives}
        return torch.stack([known[name] for name in self.names], dim=-1)


def part_of(lists: Batches, most: int) -> Batches:
    """Some lists of a pass, drawn with a fixed seed; all of them if they are not more than `most`."""
    if lists.lists <= most:
        return lists
    whole = torch.cat(list(lists.plan))
    drawn = whole[torch.randperm(len(whole), generator=torch.Generator().manual_seed(0))[:most]]
    plan = [own for rows in lists.plan if len(own := rows[torch.isin(rows, drawn)])]
    return replace(lists, plan=plan)
