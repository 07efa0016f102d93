"""The contract of evaluators refuses every broken rule, by its words."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from moft.api import Batch, ListValues, Policy, Steered, Tradeoff
from moft.testing import check_evaluator

M = 2


class Toy(Policy):
    def correction(self, batch, tradeoff):
        return (batch.inputs["features"] * tradeoff.expand(len(batch)).weights.unsqueeze(1)).sum(-1)

    def magnitude(self, tradeoff):
        return torch.ones(1, 1)

    def assignments(self, tradeoff):
        raise AssertionError("an evaluator of scores asked which model answers")


def _batches():
    generator = torch.Generator().manual_seed(0)
    found = []
    for lists, length in (([3, 1], 4), ([0, 2, 4], 2)):
        rows = len(lists)
        labels = torch.rand(rows, length, M, generator=generator)
        mask = torch.ones(rows, length, M, dtype=torch.bool)
        mask[0, :, 1] = False
        features, reference = torch.rand(rows, length, M, generator=generator), torch.rand(rows, length, generator=generator)
        items, main = torch.ones(rows, length, dtype=torch.bool), torch.rand(rows, length, generator=generator)
        found.append(Batch({"features": features}, labels, mask, reference, items, main, torch.tensor(lists)))
    return found


def _steered():
    return Steered(Toy(), Tradeoff(torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]), torch.ones(1, M)))


class Sound:
    """Mean label, weighted by the softmax of the scores."""

    metric = "expected label under the softmax of the scores"

    def __call__(self, steered, batches):
        values, main, lists = [], [], []
        for batch in batches:
            shares = self.shares(steered(batch))  # [n, batch, list]
            judged = (shares.unsqueeze(-1) * batch.labels).sum(2)
            values.append(judged.masked_fill(~batch.mask.any(1), torch.nan))
            main.append((shares * batch.main).sum(2))
            lists.append(batch.lists)
        return self.record(ListValues(torch.cat(values, 1), torch.cat(main, 1), torch.cat(lists)))

    def shares(self, scores):
        return scores.softmax(-1)

    def record(self, values):
        return values


class Nameless(Sound):
    metric = ""


class Nothing(Sound):
    def record(self, values): ...


class InPlace(Sound):
    def __call__(self, steered, batches):
        for batch in batches:
            batch.labels.mul_(2)
        return super().__call__(steered, batches)


class NoObjectives(Sound):
    def record(self, values):
        return replace(values, values=values.values.nanmean(-1))


class OneMain(Sound):
    def record(self, values):
        return replace(values, main=values.main[0])


class Renumbered(Sound):
    def record(self, values):
        return replace(values, lists=torch.arange(len(values.lists)) * 2)


class WithGradient(Sound):
    def record(self, values):
        return replace(values, values=values.values.requires_grad_())


class Infinite(Sound):
    def record(self, values):
        return replace(values, values=values.values / 0.0)


class SkipsByTradeoff(Sound):
    def record(self, values):
        return replace(values, main=values.main.index_fill(0, torch.tensor([1]), torch.nan))


class NormalisedOverBatch(Sound):
    def shares(self, scores):
        return scores.softmax(-1) / scores.softmax(-1).sum(1, keepdim=True)


class InOrderOfBatches(Sound):
    def record(self, values):
        return replace(values, lists=values.lists.sort().values)


class AgainstFirstTradeoff(Sound):
    def record(self, values):
        return replace(values, values=values.values - values.values[:1])


def test_a_sound_evaluator_passes():
    check_evaluator(Sound(), _steered(), _batches())


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        (Nameless, "`metric`, a text that names the metric"),
        (Nothing, r"ListValues; got: None"),
        (InPlace, "labels are not changed"),
        (NoObjectives, r"values of shape \[3, 5, 2\]"),
        (OneMain, r"main of shape \[3, 5\]"),
        (Renumbered, "every list occurs once"),
        (WithGradient, "values without gradient"),
        (Infinite, "no infinite values"),
        (SkipsByTradeoff, "NaN in main for the same lists"),
        (NormalisedOverBatch, "the same values however lists and tradeoffs are batched.*list by list"),
        (InOrderOfBatches, "batches in reverse order"),
        (AgainstFirstTradeoff, "the same values however lists and tradeoffs are batched.*tradeoff 1 alone"),
    ],
)
def test_a_broken_evaluator_is_refused_with_the_rule(broken, rule):
    with pytest.raises(AssertionError, match=f"expected: .*{rule}"):
        check_evaluator(broken(), _steered(), _batches())


def test_one_tradeoff_is_too_few_to_check():
    steered = Steered(Toy(), Tradeoff(torch.tensor([[1.0, 0.0]]), torch.ones(1, M)))
    with pytest.raises(AssertionError, match="two tradeoffs and two lists"):
        check_evaluator(Sound(), steered, _batches())
