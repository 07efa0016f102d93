"""Fronts as a run records them, without a run."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from moft.engine.fronts.edge_weights import edge_weights
from moft.engine.training.jobs.job_records import TrainingCost
from moft.files.json import write_json
from moft.run.report.front_record import Cost, Measured, front_record
from moft.types import Front, ListValues, Nouns, Tradeoff

METRIC = "NDCG@10 (gain 2^label - 1; lists without gain are skipped)"


class Width:
    """Largest minus smallest value."""

    name = "width"
    meaning = "largest minus smallest value, in the objectives' units"

    def __call__(self, points, weights):
        return float(points.max() - points.min())


@pytest.fixture
def recorded(tmp_path) -> Callable[..., dict[str, Any]]:
    """Makes the content of a `front.json` of m objectives, as it is read back from the disk."""

    def make(
        m, *, names=None, has_main=True, metric=METRIC, split="test", notes=(), betas_of=None, lists=12, nouns=None, dials=None
    ):
        names = names or tuple(f"objective_{index}" for index in range(m))
        generator = torch.Generator().manual_seed(m)
        level, noise = torch.rand(m, generator=generator), 0.05 * torch.randn(lists, m, generator=generator)

        def measured(weights):
            values = (level + 1 - (1 - weights) ** 2).unsqueeze(1) + noise  # [n, lists, m]
            main = noise[:, 0] - weights.amax(1, keepdim=True)  # [n, lists]
            return ListValues(values, main if has_main else torch.full_like(main, torch.nan), torch.arange(lists))

        def front(weights):
            factors = torch.tensor(dials or [1.0], dtype=torch.float64).repeat_interleave(len(weights)).unsqueeze(1).expand(-1, m)
            weights = weights.repeat(len(dials or [1.0]), 1)
            betas = torch.ones(1, m) * factors.float() if betas_of is None else betas_of(weights)
            values = measured(weights)
            if dials:
                nearer = 1 / (1 + factors[:, :1])
                values = replace(values, values=values.values * nearer.unsqueeze(-1), main=values.main * nearer)
            found = Front(names, Tradeoff(weights, betas), values, metric, split, tuple(notes), nouns=nouns or Nouns())
            return replace(found, dials=factors if dials else None)

        inside = torch.arange(1, 4).div(4).unsqueeze(1)
        grid = torch.eye(m)
        if m == 2:
            grid = torch.cat([grid[:1], torch.cat([1 - inside, inside], dim=1), grid[1:]])
        elif m > 2:
            grid = torch.cat([grid, torch.full((1, m), 1 / m)])
        edges = front(edge_weights(m, 3)[0]) if m > 2 else None
        base = measured(torch.zeros(1, m))
        whole = Measured(front(grid), edges, base, torch.zeros(m, dtype=torch.float64), samples=20, seed=1)
        cost = Cost(TrainingCost(1, 4043.2, 4043.2, 50432), 75.0)
        write_json(tmp_path / "record.json", front_record(whole, [Width()], cost, (), {"name": "run", "config": {}, "data": {}}))
        return json.loads((tmp_path / "record.json").read_text())

    return make
