"""Measures a policy over a grid of objective weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import get_args

from moft.engine.checks.sampler_draws import grid_of
from moft.engine.fronts.base_model import base_values
from moft.engine.fronts.edge_weights import edge_weights
from moft.engine.fronts.front_notes import findings, substitutions
from moft.engine.fronts.profile import profiled
from moft.errors import ConfigError
from moft.interfaces import Evaluator
from moft.run.policy.open_run import OpenedRun
from moft.run.report.front_record import (
    Measured,
    reference_point,
)
from moft.run.run_settings import ProfileSettings, Split
from moft.types import Tradeoff

BOOTSTRAP_SEED = 0
"""The same for every run, so that runs on the same lists are resampled in the same way and can be compared in pairs."""


def measure(
    opened: OpenedRun,
    settings: ProfileSettings,
    *,
    dial: float | Sequence[float] = 1.0,
    on_progress: Callable[[int, int], None] | None = None,
) -> Measured:
    """Measures a policy on a split: its front, extra points for pictures, and the base model.

    Args:
        opened: the run.
        settings: how to measure.
        dial: factor on the trained betas, above 0, or one for each objective; above 1 is closer to the base model.
        on_progress: called by a `LongEvaluator` with the number of points done and the number of all points.

    Raises:
        ShapeError: weights of the grid do not sum to one, or a dial is not positive.
        ConfigError: the dial changes the ratios of the betas, which the policy does not support.
    """
    task, m = opened.task, len(opened.task.objectives)
    evaluator: Evaluator = settings.evaluator(task.objectives, task.main)
    betas = opened.betas_at(dial)
    grid = grid_of(settings.grid(m), settings.points, m)
    between = None
    if settings.edges and m > 2 and len(grid) > 1:
        between = Tradeoff(edge_weights(m, settings.edges)[0], betas)
        if substitutions(opened.policy, between, opened.names):
            between = None  # the policy would serve them by points of the grid, which are drawn anyway
    counts = len(grid), 0 if between is None else len(between)

    def after(before: int) -> Callable[[int], None] | None:
        return None if on_progress is None else lambda done: on_progress(before + done, sum(counts) + 1)

    tradeoffs, notes = Tradeoff(grid, betas).checked(), findings(opened.policy)
    front = profiled(opened.policy, task, evaluator, tradeoffs, settings.split, notes=notes, on_progress=after(0))
    edges = None
    if between is not None:
        edges = profiled(opened.policy, task, evaluator, between, settings.split, on_progress=after(counts[0]))
    base = base_values(task, evaluator, settings.split, on_progress=after(sum(counts)))
    return Measured(front, edges, base, reference_point(settings.reference, m), settings.bootstrap_samples, BOOTSTRAP_SEED)


def with_changes(settings: ProfileSettings, *, split: str | None, points: int | None) -> ProfileSettings:
    """The settings with another split or number of points, where given.

    Raises:
        ConfigError: the split does not exist.
    """
    known: tuple[Split, ...] = get_args(Split)
    chosen = next((name for name in known if name == split), settings.split)
    if split not in (None, chosen):
        raise ConfigError(f"--split {split!r}: splits are {', '.join(known)}.")
    return replace(settings, split=chosen, points=settings.points if points is None else points)
