"""Folders with measured fronts, written as a run writes them but made up."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from moft.engine.training.jobs.job_records import TrainingCost
from moft.files.json import write_json
from moft.files.safetensors import save_tensors
from moft.run.report.front_record import Cost, Measured, front_record, list_values
from moft.secret_values import _references
from moft.types import Front, ListValues, Nouns, Tradeoff


@pytest.fixture(autouse=True)
def _no_secrets_of_other_tests() -> None:
    """Forgets the secrets that were read in this process, which would be replaced in messages."""
    _references.clear()


class Slope:
    """Smallest value of the first objective."""

    name = "slope"
    meaning = "smallest value of the first objective"

    def __call__(self, points, weights):
        return float(points[:, 0].min())


@dataclass(frozen=True)
class Made:
    """What a made-up front is like.

    Args:
        path: of its folder.
        method: its name.
        seed: of its run.
        fold: that it was measured on, of `folds`; None for splits as they are.
        folds: how many there are.
        names: of the objectives.
        lists: how many.
        points: of the grid, which holds the vertices.
        lift: added to every value.
        spread: of what is the run's own in each list.
        silent: lists that say nothing.
        has_main: whether there is a main objective.
        base: added to the base model's values.
        beta: of every objective.
        reference: point; None is the origin.
        config: further settings.
        data: further parts of the identity.
        front: fields of the front to change, `metric` or `split`.
        notes: of the front.
        parameters: that were trained.
        indicators: of the front.
        nouns: of the task.
    """

    path: Path
    method: str = "cos-dpo"
    seed: int = 0
    fold: int | None = None
    folds: int = 3
    names: tuple[str, ...] = ("clicks", "dwell")
    lists: int = 40
    points: int = 5
    lift: float = 0.0
    spread: float = 0.02
    silent: int = 0
    has_main: bool = True
    base: float = 0.0
    beta: float = 1.0
    reference: Sequence[float] | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    front: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    parameters: int = 1000
    indicators: tuple[Any, ...] = (Slope(),)
    nouns: Nouns = field(default_factory=Nouns)
    dials: tuple[float, ...] = ()

    def write(self) -> Path:
        """Makes the folder."""
        m = len(self.names)
        grid = torch.eye(m)
        if m == 2:
            second = torch.linspace(0, 1, self.points).unsqueeze(1)
            grid = torch.cat([1 - second, second], dim=1)
        elif self.points > m:
            inside = -torch.rand(self.points - m, m, generator=torch.Generator().manual_seed(1)).log()
            grid = torch.cat([grid, inside / inside.sum(1, keepdim=True)])
        factors = torch.tensor(self.dials or (1.0,), dtype=torch.float64).repeat_interleave(self.points).unsqueeze(1)  # [n, 1]
        grid = grid.repeat(len(self.dials or (1.0,)), 1)
        shared = torch.Generator().manual_seed(100 + (self.fold or 0))
        of_list = 0.3 * torch.rand(1, self.lists, m + 1, generator=shared)
        own = torch.Generator().manual_seed(sum(map(ord, str(self.path.name))))
        noise = self.spread * torch.randn(len(grid), self.lists, m + 1, generator=own)
        level = torch.cat([1 - (1 - grid) ** 2, 1 - grid.amax(1, keepdim=True)], dim=1).unsqueeze(1)  # [n, 1, m + 1]
        if self.dials:
            nearer = 1 / (1 + factors.float()).unsqueeze(-1)  # [n, 1, 1]
            level = torch.cat([level[..., :-1] * nearer, 1 - nearer.expand_as(level[..., -1:])], dim=-1)
        whole = 0.2 + 0.4 * level + of_list + self.lift + noise
        if self.dials:
            whole[..., -1] -= self.lift
        whole[:, : self.silent] = torch.nan
        base = 0.25 + self.base + of_list
        base[:, : self.silent] = torch.nan
        if not self.has_main:
            whole[..., -1], base[..., -1] = torch.nan, torch.nan
        lists = torch.arange(self.lists)
        front = Front(
            self.names,
            Tradeoff(grid, torch.full((1, m), self.beta) * factors.float()),
            ListValues(whole[..., :-1], whole[..., -1], lists),
            "NDCG@10 (linear gain; lists without gain are skipped)",
            "test",
            self.notes,
            nouns=self.nouns,
            dials=factors.expand(-1, m) if self.dials else None,
        )
        front = replace(front, **self.front)
        reference = torch.zeros(m) if self.reference is None else torch.tensor(self.reference)
        measured = Measured(front, None, ListValues(base[..., :-1], base[..., -1], lists), reference.double(), 20, 0)
        account = TrainingCost(jobs=2, seconds=10.0 + self.seed, separate_seconds=20.0, parameters=self.parameters)
        run = {"name": self.path.name, "config": self._config(), "data": self._identity()}
        self.path.mkdir(parents=True)
        write_json(self.path / "front.json", front_record(measured, self.indicators, Cost(account, 5.0), (), run))
        save_tensors(self.path / "lists.safetensors", list_values(measured))
        return self.path

    def _config(self) -> dict[str, Any]:
        task = {"name": "ltr", "data": "lists"} | ({} if self.fold is None else {"folds": self.folds, "fold": self.fold})
        return {"task": task, "method": {"name": self.method}, "seed": self.seed} | dict(self.config)

    def _identity(self) -> dict[str, Any]:
        splits = {
            name: {"lists": self.lists, "items": 9 * self.lists, "sha256": [f"{index}" * 64]}
            for index, name in enumerate(("train", "validation", "test"))
        }
        dealt = None if self.fold is None else {"folds": self.folds, "fold": self.fold}
        objectives = {name: {"label": f"column {at}", "gain": "linear"} for at, name in enumerate(self.names)}
        main = {"label": "relevance", "gain": "exp2"} if self.has_main else None
        return {"splits": splits, "dealt": dealt, "objectives": objectives, "main": main, "base": "neural"} | dict(self.data)


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., Path]:
    """Writes the folder of a made-up front, by its name and what it is like, and returns its path."""

    def make(name: str, **what: Any) -> Path:
        return Made(tmp_path / name, **what).write()

    return make


@pytest.fixture
def full_disk(monkeypatch) -> Callable[[str], None]:
    """Makes a function of `os` (`fsync` or `replace`) say that the disk is full."""

    def fill(function):
        def refuse(*arguments):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, function, refuse)

    return fill
