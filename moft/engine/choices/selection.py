"""Which of several measured tradeoffs keeps the bounds of a wish on new data, with a confidence that allows for the search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from moft.engine.choices.wish import Bound, Wish
from moft.engine.fronts.bootstrap import bootstrap_means, resampled
from moft.types import list_mean

MARGINS = torch.arange(0, 6.01, 0.05, dtype=torch.float64)
"""That are tried, in standard deviations."""
ENOUGH = 0.5
"""Share of the samples in which a margin has to leave a tradeoff to choose from, for its confidence to count."""


@dataclass(frozen=True)
class Candidates:
    """The outcomes of measured tradeoffs, list by list, on the lists that a choice is made on.

    Args:
        names: of the outcomes.
        values: `[n, lists, outcomes]`; NaN where a list has no value.
        base: `[lists, outcomes]`, those of the base model.
        best: `[lists, outcomes]`, those of the tradeoff with the best mean of each outcome.
        reach: `[2, outcomes]` float64, lowest and highest mean that was measured.
        weights: `[lists]`, how much each list counts; None where all count the same.
    """

    names: Sequence[str]
    values: Tensor
    base: Tensor
    best: Tensor
    reach: Tensor
    weights: Tensor | None = None

    @classmethod
    def of(cls, names: Sequence[str], values: Tensor, base: Tensor, weights: Tensor | None = None) -> Candidates:
        """Candidates that are all that was measured, beside the base model; arguments as above."""
        all_values = torch.cat([values, base.unsqueeze(0)])
        means = list_mean(all_values.double(), weights)  # [n + 1, outcomes]
        best = torch.stack([all_values[row, :, place] for place, row in enumerate(means.argmax(0).tolist())], dim=-1)
        return cls(names, values, base, best, torch.stack([means.amin(0), means.amax(0)]), weights)

    @cached_property
    def means(self) -> Tensor:
        """`[n, outcomes]`, float64."""
        return list_mean(self.values.double(), self.weights)

    @cached_property
    def base_means(self) -> Tensor:
        """`[outcomes]`, float64."""
        return list_mean(self.base.double().unsqueeze(0), self.weights)[0]

    def gaps(self, bounds: Sequence[Bound]) -> Tensor:
        """`[n, lists, bounds]`, by how much each list exceeds each bound; the mean has to be at least 0."""
        columns = [self.values[..., self.names.index(bound.outcome)].double() - self._least(bound) for bound in bounds]
        return torch.stack(columns, dim=-1) if columns else self.values.new_zeros(*self.values.shape[:2], 0).double()

    def threshold(self, bound: Bound) -> float:
        """The least mean that a bound asks for."""
        return list_mean(self._least(bound).unsqueeze(0), self.weights).item()

    def _least(self, bound: Bound) -> Tensor:
        """`[lists]`, what each list would have at exactly the bound."""
        place = self.names.index(bound.outcome)
        if bound.anchor is None:
            return torch.full_like(self.base[:, place].double(), bound.value)
        return bound.value * (self.base if bound.anchor == "base" else self.best)[:, place].double()


@dataclass(frozen=True)
class Selected:
    """A tradeoff that was selected.

    Args:
        row: of the candidates.
        margin: in standard deviations, what a choice is asked to exceed each bound by; without a promise, what it exceeds it by.
        confidence: probability that all bounds hold on new data, when the selection is made with this margin.
        holds: `[bounds]`, that each of them does.
        is_promised: whether the tradeoff keeps all bounds by the margin, and the confidence is that of the wish.
    """

    row: int
    margin: float
    confidence: float
    holds: Tensor
    is_promised: bool


@dataclass(frozen=True)
class Rule:
    """How safe each candidate is, and how large the goal, on the lists and in samples of them.

    Args:
        goal: `[n]`.
        safety: `[n]`, least excess over a bound, in standard deviations of the difference between these lists and new ones.
        spread: `[n, bounds]`, these standard deviations.
        gaps: `[n, bounds]`, mean excess over each bound.
        nearness: `[n]`, the least of these excesses, in shares of the reachable range of its outcome.
        most: largest confidence that so few lists and samples can tell.
        sampled_goal: `[samples, n]`.
        sampled_safety: `[samples, n]`.
        losses: `[samples, n, bounds]`, how much of the excess over each bound is lost from a sample to one of new data, in
            standard deviations.
    """

    goal: Tensor
    safety: Tensor
    spread: Tensor
    gaps: Tensor
    nearness: Tensor
    most: float
    sampled_goal: Tensor
    sampled_safety: Tensor
    losses: Tensor


def rule_of(candidates: Candidates, wish: Wish, *, samples: int, new_lists: int | None, seed: int = 0) -> Rule:
    """What a selection is made from.

    The lists stand for the population: a choice is made in a sample of as many lists, and meets the bounds or not in another
    sample, of the size of the new data.

    Args:
        candidates: that were measured.
        wish: of the user.
        samples: number of pairs of samples.
        new_lists: size of the new data, in lists; None for a mean over all that may come.
        seed: of the samples.
    """
    gaps, lists = candidates.gaps(wish.bounds), candidates.values.shape[1]
    both = torch.cat([candidates.values.double(), gaps], dim=-1)  # [n, lists, outcomes + bounds]
    count, weights = len(candidates.names), candidates.weights
    seen = bootstrap_means(both, resampled(lists, samples, seed), weights)  # [samples, n, outcomes + bounds]
    whole = list_mean(both, weights)  # [n, outcomes + bounds]
    new = whole[:, count:].expand(samples, -1, -1)
    if wish.bounds and new_lists is not None:
        new = bootstrap_means(gaps, resampled(lists, samples, seed + 1, draws=new_lists), weights)
    deviations = seen[..., count:] - new
    spread = deviations.square().nanmean(0).sqrt() * (lists / max(1, lists - 1)) ** 0.5  # [n, bounds]
    low, high = candidates.reach
    return Rule(
        goal=wish.goal.of(whole[:, :count], low, high),
        safety=_least(whole[:, count:], spread),
        spread=spread,
        gaps=whole[:, count:],
        nearness=_least(whole[:, count:], _sizes(candidates, wish)),
        most=min(1 - 0.5**lists, 1 - 1 / (samples + 1)) if wish.bounds else 1.0,
        sampled_goal=wish.goal.of(seen[..., :count], low, high),
        sampled_safety=_least(seen[..., count:], spread),
        losses=deviations / spread.clamp(min=1e-12),
    )


def select(rule: Rule, confidence: float) -> Selected:
    """The candidate with the largest goal among those that keep every bound by a margin.

    The margin is the smallest that keeps the promise when the same selection is made in samples of the lists. What it selects
    there has a smaller excess over the bounds in a sample of new data. In as large a share of samples as is asked, this loss has
    to be at most the excess of the selected candidate. So the margin covers the error of the means, several bounds at once, and
    that the best of many was taken. Losses are compared, and not whether samples keep the bounds, because a search measures most
    at the bound of the whole lists: there, the selected candidate is closer to its bound than others, which samples select.

    Where no candidate keeps such a margin, it is the safest one that keeps all bounds, or else the one that misses them by the
    least, in shares of the reachable range, without a promise. A confidence is never above that of the sign test: if every list
    kept a bound with probability one half, `n` of them would all keep it with probability `2^-n`.

    Args:
        rule: of the candidates.
        confidence: that is asked.

    Source: the calibration is a bootstrap of the whole selection, as in Efron and Tibshirani 1993, chapters 17 and 18; that it is
        applied to a margin is ours.
    """
    for margin in MARGINS.tolist():
        is_safe = rule.sampled_safety >= margin
        found = is_safe.any(1)
        if found.double().mean() < ENOUGH or not bool((rule.safety >= margin).any()):
            break
        row = int(rule.goal.masked_fill(rule.safety < margin, -torch.inf).argmax())
        holds = _holds(rule, row, rule.sampled_goal.masked_fill(~is_safe, -torch.inf).argmax(1))[found]
        share = min(holds.all(1).double().mean().item(), rule.most)
        if share >= confidence:
            return Selected(row, margin, share, holds.double().mean(0).clamp(max=rule.most), True)
    keeps_all = bool((rule.safety >= 0).any())  # else the nearest one is that which misses its bounds by the least
    row = int((rule.safety if keeps_all else rule.nearness).nan_to_num(nan=-torch.inf).argmax())
    safest = rule.sampled_safety.nan_to_num(nan=-torch.inf).argmax(1)
    holds = _holds(rule, row, safest if keeps_all else torch.full_like(safest, row))
    share = min(holds.all(1).double().mean().item(), rule.most)
    return Selected(row, float(rule.safety[row]), share, holds.double().mean(0).clamp(max=rule.most), False)


def _holds(rule: Rule, row: int, chosen: Tensor) -> Tensor:
    """`[samples, bounds]`, whether a row exceeds the bounds by more than what is lost by the one that each sample chose."""
    excess = rule.gaps[row] / rule.spread[row].clamp(min=1e-12)
    return excess >= rule.losses[torch.arange(len(chosen)), chosen]


def _sizes(candidates: Candidates, wish: Wish) -> Tensor:
    """`[1, bounds]`, the reachable ranges of the outcomes that are bounded."""
    size = candidates.reach[1] - candidates.reach[0]
    return size[[candidates.names.index(bound.outcome) for bound in wish.bounds]].unsqueeze(0)


def _least(gaps: Tensor, spread: Tensor) -> Tensor:
    """`[...]`, the least of the gaps in their standard deviations; infinite without bounds."""
    if not gaps.shape[-1]:
        return torch.full(gaps.shape[:-1], torch.inf, dtype=gaps.dtype)
    return (gaps / spread.clamp(min=1e-12)).amin(-1)
