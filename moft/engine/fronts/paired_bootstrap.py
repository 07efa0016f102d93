"""Paired bootstrap: which of several runs on the same lists differ significantly, adjusted for all comparisons at once."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import floor, inf, nan

import torch
from torch import Tensor

from moft.errors import ConfigError, ShapeError

_ROUNDING = 1e-12  # relative to the measure: a deviation below it is rounding, not spread


@dataclass(frozen=True)
class Difference:
    """The difference of two runs in one measure.

    Args:
        measure: which measure, by index.
        first: a run, by index.
        second: another one.
        value: the first's measure minus the second's; NaN where one is not measured.
        low: lower end of its interval.
        high: upper end.
        p: adjusted p-value, the smallest error rate at which the difference is significant.
        is_significant: whether the difference is significant; exactly then the interval excludes zero.
    """

    measure: int
    first: int
    second: int
    value: float
    low: float
    high: float
    p: float
    is_significant: bool


def paired_differences(estimates: Tensor, samples: Tensor, lists: int, level: float = 0.95) -> list[Difference]:
    """Every pair of runs in every measure, as one family: with probability `level`, no pair of equals is significant.

    Each difference is divided by its standard deviation over the samples. The largest is compared with the distribution of the
    largest deviation among all differences, then the next one among those that are left, and so on until one is not
    significant. The samples are common to all runs: what runs share cancels, and correlated pairs cost less than under
    Bonferroni's or Holm's correction, whose smallest p-value is the number of pairs over the number of samples.

    The interval of a pair is that of the step at which it was decided, so it agrees with the verdict. The verdicts hold
    jointly. The intervals do so only if all pairs were decided at the first step.

    With few lists the bootstrap is too confident: its deviation is too small, and its tails are normal. So deviations are
    multiplied by sqrt(lists / (lists - 1)), and tails are those of Student's distribution with lists - 1 degrees of freedom.

    Args:
        estimates: `[measures, runs]`; NaN where a run has no value.
        samples: `[samples, measures, runs]`, of the bootstrap with the same lists for all runs. A sample with a NaN
            in a compared value is left out.
        lists: how many were resampled; with one, no difference is significant.
        level: above 0 and below 1.

    Returns: by measure, then by pair in the order (0, 1), (0, 2), ... A difference without spread, as between identical
        runs, is not significant.

    Source: Romano and Wolf 2005 (Exact and approximate stepdown methods for multiple hypothesis testing), algorithm 2, with
        the maximum of studentised statistics as Westfall and Young 1993; p-values after Romano and Wolf 2016. The deviation
        is that over the samples, not one of each sample anew. Few lists: the expanded intervals of Hesterberg
        2015 (What teachers should know about the bootstrap), with Wallace's transformation.
    """
    if not 0 < level < 1:
        raise ConfigError(f"the level of verdicts must be above 0 and below 1, got {level}.")
    if estimates.dim() != 2 or samples.dim() != 3 or samples.shape[1:] != estimates.shape:
        raise ShapeError(
            f"estimates must be [measures, runs] and samples [samples, measures, runs], "
            f"got {list(estimates.shape)} and {list(samples.shape)}."
        )
    measures, runs = estimates.shape
    pairs = list(combinations(range(runs), 2))
    first, second = (torch.tensor([pair[side] for pair in pairs], dtype=torch.long) for side in (0, 1))
    values = (estimates[:, first] - estimates[:, second]).flatten().double()  # [h], h = measures * pairs
    drawn = (samples[:, :, first] - samples[:, :, second]).flatten(1).double()  # [samples, h]
    scale = estimates.abs().nan_to_num(nan=0.0).amax(1) if runs else estimates.new_zeros(measures)
    steps = step_down(values, drawn, scale.double().repeat_interleave(len(pairs)), lists, level)
    places = [(measure, i, j) for measure in range(measures) for i, j in pairs]
    return [
        Difference(measure, i, j, value, low, high, p, is_significant)
        for (measure, i, j), (value, low, high, p, is_significant) in zip(places, steps, strict=True)
    ]


def normal_of_student(student: Tensor, degrees: int) -> Tensor:
    """`[...]`, the normal deviates that are as unlikely as Student's.

    Args:
        student: `[...]`, >= 0.
        degrees: of freedom, >= 1.

    Source: Wallace 1959, Bounds on normal approximations to Student's and the chi-square distributions.
    """
    return (8 * degrees + 1) / (8 * degrees + 3) * (degrees * (student.square() / degrees).log1p()).sqrt()


def student_of_normal(normal: Tensor, degrees: int) -> Tensor:
    """`[...]`, the inverse of `normal_of_student`."""
    return (degrees * ((normal * (8 * degrees + 3) / (8 * degrees + 1)).square() / degrees).expm1()).sqrt()


def step_down(
    values: Tensor, drawn: Tensor, scale: Tensor, lists: int, level: float = 0.95
) -> list[tuple[float, float, float, float, bool]]:
    """For each difference of a family: value, low, high, adjusted p and whether it is significant, as `paired_differences` says.

    Args:
        values: `[h]`, float64.
        drawn: `[samples, h]`, the same of each bootstrap sample.
        scale: `[h]`, the size of what is compared; a deviation that is rounding beside it counts as none.
        lists: that were resampled.
        level: probability of no false verdict.
    """
    rounding, error = scale * _ROUNDING, 1 - level
    found = [(value, nan, nan, nan, False) for value in values.tolist()]
    tested = (~values.isnan() & ~drawn.isnan().all(0)).nonzero().flatten()  # [t]
    drawn = drawn[:, tested]
    drawn = drawn[~drawn.isnan().any(1)]  # [samples, t]
    if drawn.numel() == 0 or len(drawn) < 2 or lists < 2:
        return found
    values, rounding = values[tested], rounding[tested]
    deviation = drawn.std(0)  # [t]
    has_spread = deviation > rounding
    safe = torch.where(has_spread, deviation, torch.ones_like(deviation))
    wider = deviation * (lists / (lists - 1)) ** 0.5
    observed = normal_of_student(torch.where(has_spread, values.abs() / wider, torch.zeros_like(values)), lists - 1)
    largest = torch.where(has_spread, (drawn - values).abs() / safe, torch.zeros_like(drawn))
    order = observed.argsort(descending=True, stable=True)
    # at step k, the largest over the hypotheses from the k-th on: a running maximum from the back
    largest = largest[:, order].flip(1).cummax(1).values.flip(1)  # [samples, t]
    rank = floor(error * (len(drawn) + 1))  # how many samples may lie at or above a rejected value
    tops = largest.sort(0, descending=True).values
    p, critical, is_rejecting = 0.0, inf, True
    for step, which in enumerate(order.tolist()):
        above = int((largest[:, step] >= observed[which]).sum())
        p = max(p, (1 + above) / (len(drawn) + 1))
        if is_rejecting:  # pairs that are not significant keep the critical value of the step at which rejection ended
            critical = tops[rank - 1, step].item() if rank else inf
            is_rejecting = observed[which].item() > critical
        size = student_of_normal(torch.tensor(critical, dtype=torch.float64), lists - 1).item()
        value, width = values[which].item(), size * wider[which].item() if has_spread[which] else 0.0
        found[int(tested[which])] = (value, value - width, value + width, p, is_rejecting)
    return found
