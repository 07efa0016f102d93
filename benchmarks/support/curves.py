"""Compares methods as curves: of the hypervolume over the mean main value, along a dial or the share of the main objective."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SAMPLES = 1000


@dataclass(frozen=True)
class Curve:
    """What a method reaches along its dial or share.

    Args:
        points: for each place, the place, values `[n, lists, m]` and main values `[n, lists]`.
        seconds: of training, processor time.
    """

    points: Sequence[tuple[float, Any, Any]]
    seconds: float


def compared(curves: Mapping[str, Curve], one: str, weights: Any) -> dict[str, Any]:
    """The points of all curves, and verdicts on the differences between one curve and each other.

    Args:
        curves: by method; all have measured the same lists, and weightings in the same order.
        one: the method that the others are compared with; `eleven dedicated sets of trees` and `lightgbm-ls` are among them.
        weights: `[n, m]`.
    """
    from moft.engine.fronts.bootstrap import interval
    from moft_indicators.monotonicity import Monotonicity

    found = {name: _samples(curve) for name, curve in curves.items()}
    described = {}
    for name, curve in curves.items():
        rows = []
        for (place, _, _), volume, main, both in zip(curve.points, *found[name], strict=True):
            rows.append(
                {
                    "place": place,
                    "hypervolume": volume[0].item(),
                    "hypervolume_ci": interval(volume[1:]).tolist(),
                    "main": main[0].item(),
                    "main_ci": interval(main[1:]).tolist(),
                    "with_main": both[0].item(),
                    "with_main_ci": interval(both[1:]).tolist(),
                }
            )
        described[name] = {"points": rows, "seconds": curve.seconds}
    best = {name: both.max(0).values for name, (_, _, both) in found.items()}  # [1 + samples]
    ratio = best[one] / best["lightgbm-ls"]
    pair = [curves[name] for name in (one, "eleven dedicated sets of trees")]
    at_one, ours = [[_at_one(curve)] for curve in pair], _at_one(pair[0])
    everywhere = [[values for _, values, _ in curve.points] for curve in pair]
    share = curves[one].seconds / curves["lightgbm-ls"].seconds
    return {
        "curves": described,
        "verdicts": {name: _verdict(found[one], found[name]) for name in curves if name != one},
        "with_main_ratio": {"value": ratio[0].item(), "ci": interval(ratio[1:]).tolist()},
        "vertex_ratio": _vertex_ratios(at_one, weights),
        "vertex_ratio_of_best": _vertex_ratios(everywhere, weights),
        "monotonicity": Monotonicity()(ours.nanmean(1), weights),
        "share_of_time": share,
        "share_of_time_of_one": share * len(curves["lightgbm-ls"].points),
    }


def _samples(curve: Curve) -> tuple[Any, Any, Any]:
    """`[places, 1 + samples]` each: hypervolume, mean main value, and hypervolume with main; the first is of all lists."""
    import torch

    from moft.engine.fronts.bootstrap import bootstrap_hypervolume, resampled
    from moft.engine.fronts.matched_curves import curve_of, with_all_lists

    m = curve.points[0][1].shape[-1]
    counts = with_all_lists(resampled(curve.points[0][1].shape[1], SAMPLES, 0))
    fronts = [(values, main) for _, values, main in curve.points]
    found = curve_of(fronts, counts, torch.zeros(m, dtype=torch.float64), has_best=False)
    origin = torch.zeros(m + 1, dtype=torch.float64)
    both = [bootstrap_hypervolume(torch.cat([values, main.unsqueeze(-1)], dim=-1), counts, origin) for values, main in fronts]
    return found.heights[..., 0], found.main, torch.stack(both)


def _verdict(one: tuple[Any, Any, Any], other: tuple[Any, Any, Any]) -> dict[str, Any]:
    """Differences of hypervolume between two curves at the main values that both reach."""
    import numpy as np

    from moft.engine.fronts import matched_curves

    first, second = (matched_curves.Curve(main, volume.unsqueeze(-1)) for volume, main, _ in (one, other))
    places = matched_curves.shared_main(first, second)
    if not len(places):
        return {"main": [], "difference": [], "ci": [], "text": "the curves reach no main value in common"}
    difference = matched_curves.differences_at(first, second, places)[..., 0].numpy()  # [1 + samples, places]
    ends = np.nanpercentile(difference[1:], (2.5, 97.5), axis=0)
    above = int((ends[0] > 0).sum())
    text = f"above with its interval at {above} of {len(places)} main values from {places[0]:.3f} to {places[-1]:.3f}, "
    text += f"by {1000 * difference[0].min():+.2f} to {1000 * difference[0].max():+.2f} e-3"
    return {
        "main": places.tolist(),
        "difference": difference[0].tolist(),
        "ci": ends.T.tolist(),
        "above": above,
        "text": text,
    }


def _at_one(curve: Curve) -> Any:
    return next(values for place, values, _ in curve.points if place == 1)


def _vertex_ratios(fronts: Sequence[Sequence[Any]], weights: Any) -> dict[str, Any]:
    """Best value of each objective at its vertex, over the fronts of one method, over that of the other; with intervals."""
    import torch

    from moft.engine.fronts.bootstrap import bootstrap_means, interval, resampled

    rows = [int((column > 1 - 1e-6).nonzero()[0, 0]) for column in weights.T]
    lists = fronts[0][0].shape[1]
    counts = torch.cat([torch.ones(1, lists), resampled(lists, SAMPLES, 0)])
    best = []
    for own in fronts:
        corners = [torch.stack([front[row, :, j] for j, row in enumerate(rows)], dim=-1) for front in own]
        best.append(bootstrap_means(torch.stack(corners), counts).amax(1))  # [1 + samples, m]
    ratios = best[0] / best[1]
    return {"value": ratios[0].tolist(), "ci": interval(ratios[1:]).tolist()}
