"""Measures a trained run: its front, the edges between vertices, and the base model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from moft.engine.checks.sampler_draws import checked_grid
from moft.engine.fronts.base_model_policy import base_values
from moft.engine.fronts.edge_weights import edge_weights
from moft.engine.fronts.front_caveats import findings, substitutions
from moft.engine.fronts.measure_front import measure_front
from moft.interfaces import Evaluator
from moft.run.policy.open_run import OpenedRun
from moft.run.policy.point_files import PointFiles
from moft.run.report.figures.figure_style import PAIRED
from moft.run.report.front_record import Measured, reference_point
from moft.run.run_settings import ProfileSettings
from moft.types import Tradeoff

BOOTSTRAP_SEED = 0
"""The same for every run, so that runs on the same lists are resampled in the same way and can be compared in pairs."""


def measure(
    opened: OpenedRun,
    settings: ProfileSettings,
    *,
    dials: Sequence[float | Sequence[float]] | None = None,
    tradeoffs: Tradeoff | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    kept: PointFiles | None = None,
) -> Measured:
    """Measures the policy of a run on one split of the data.

    The result has the front over a grid of objective weights at every dial, points on the edges between vertices for the
    pictures, and the base model.

    Args:
        opened: the run.
        settings: how to measure.
        dials: factors on the trained betas, above 0, each for all objectives or one for each objective; above 1 is closer to the
            base model. None for those of the settings.
        tradeoffs: to measure in place of a grid at every dial.
        on_progress: called with the number of points done and of all points, at the start and after each point; of evaluators
            other than a `LongEvaluator`, only once they have taken ten seconds.
        kept: where points are kept as they are measured, and looked up; None measures all of them.

    Raises:
        ShapeError: weights of the grid do not sum to one, or a dial is not positive.
        ConfigError: a dial changes the ratios of the betas, which the policy does not support.
    """
    task, m = opened.task, len(opened.task.objectives)
    evaluator: Evaluator = settings.evaluator(task.objectives, task.main)
    factors = [
        [dial] * m if isinstance(dial, int | float) else list(dial) for dial in (settings.dials if dials is None else dials)
    ]
    at_dials = torch.tensor(sorted(factors), dtype=torch.float64)  # [d, m]
    betas = torch.cat([opened.betas_at(row) for row in at_dials.tolist()])  # [d, m]
    if tradeoffs is None:
        tradeoffs = _at_every(betas, checked_grid(settings.grid(m), settings.points, m)).checked()
        of_points = at_dials.repeat_interleave(len(tradeoffs) // len(betas), 0)
        has_edges = settings.edges > 0 and 2 < m <= PAIRED and len(tradeoffs) > len(betas)
    else:
        of_points, has_edges = (tradeoffs.expand(len(tradeoffs)).betas / opened.trained_betas).double(), False
    edge_tradeoffs = None
    if has_edges:
        edge_tradeoffs = _at_every(betas, edge_weights(m, settings.edges)[0])
        if substitutions(opened.policy, edge_tradeoffs, opened.names):
            edge_tradeoffs = None  # points of the grid would serve them, and these are shown anyway
    grid_points, edge_points = len(tradeoffs), 0 if edge_tradeoffs is None else len(edge_tradeoffs)
    all_points = grid_points + edge_points + 1  # the base model is one point

    told = -1

    def progress_from(done_before: int) -> Callable[[int], None] | None:
        def report(done: int) -> None:
            nonlocal told
            if on_progress is not None and done_before + done > told:
                told = done_before + done
                on_progress(told, all_points)

        return None if on_progress is None else report

    policy, split = opened.policy, settings.split
    notes = findings(policy)
    front = measure_front(policy, task, evaluator, tradeoffs, split, notes=notes, on_progress=progress_from(0), kept=kept)
    edge_front = None
    if edge_tradeoffs is not None:
        progress = progress_from(grid_points)
        edge_front = measure_front(policy, task, evaluator, edge_tradeoffs, split, on_progress=progress, kept=kept)
    progress, of_base = progress_from(grid_points + edge_points), None if kept is None else kept.of("base")
    base = base_values(task, evaluator, split, on_progress=progress, kept=of_base)
    reference = reference_point(settings.reference, m)
    front = replace(front, dials=of_points, base=base)
    if edge_front is not None:
        edge_front = replace(edge_front, dials=at_dials.repeat_interleave(edge_points // len(betas), 0))
    return Measured(front, edge_front, base, reference, settings.bootstrap_samples, BOOTSTRAP_SEED)


def _at_every(betas: Tensor, weights: Tensor) -> Tradeoff:
    """All weights, `[n, m]`, at the betas of one dial after another, `[d, m]`."""
    if len(betas) == 1:
        return Tradeoff(weights, betas)
    return Tradeoff(weights.repeat(len(betas), 1), betas.repeat_interleave(len(weights), 0))
