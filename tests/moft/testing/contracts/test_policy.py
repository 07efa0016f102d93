"""The contract of policies refuses every broken rule, by its words."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from moft.api import Assignment, Batch, Injection, Model, ModelSpec, Policy, Steered
from moft.testing import check_policy

M = 2


def _batch(rows=4, length=3):
    generator = torch.Generator().manual_seed(0)
    items = torch.ones(rows, length, dtype=torch.bool)
    items[0, -1] = False
    return Batch(
        {"features": torch.randn(rows, length, 3, generator=generator)},
        torch.rand(rows, length, M, generator=generator),
        items.unsqueeze(-1).expand(-1, -1, M),
        torch.randn(rows, length, generator=generator),
        items,
        torch.zeros(rows, length),
        torch.arange(rows),
    )


class Shifted(Model):
    """Scores by the shift of an injection."""

    spec = ModelSpec(M, 3, slots=frozenset({"modulation"}), sites=("only",), is_correction=True)

    def forward(self, inputs, injection):
        return (inputs["features"] * injection.modulation["only"][1].unsqueeze(1)).sum(-1)


class Sound(Policy):
    """Scores by features whose direction follows the weights; starts at the reference."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(M, 3)
        nn.init.zeros_(self.layer.weight)
        nn.init.zeros_(self.layer.bias)

    def assignments(self, tradeoff):
        rows = torch.arange(len(tradeoff))
        injection = Injection({"only": (None, self.layer(tradeoff.expand(len(tradeoff)).weights))})
        return [Assignment(rows, Shifted(), injection, self.magnitude(tradeoff))]

    def direction(self, tradeoff, rows):
        return self.layer(tradeoff.expand(rows).weights)

    def correction(self, batch, tradeoff):
        return (batch.inputs["features"] * self.direction(tradeoff, len(batch)).unsqueeze(1)).sum(-1)

    def magnitude(self, tradeoff):
        return tradeoff.betas.sum(-1, keepdim=True)


class OneAxis(Sound):
    def forward(self, batch, tradeoff):
        return super().forward(batch, tradeoff).mean(-1)


class Infinite(Sound):
    def correction(self, batch, tradeoff):
        return super().correction(batch, tradeoff) / 0.0


class FirstRow(Sound):
    def direction(self, tradeoff, rows):
        return self.layer(tradeoff.weights[:1]).expand(rows, -1)


class FixedTemperature(Sound):
    def magnitude(self, tradeoff):
        return torch.ones(1, 1)


class ForgetsReference(Sound):
    def forward(self, batch, tradeoff):
        return (batch.reference + self.correction(batch, tradeoff)) / self.magnitude(tradeoff)


class SwappedGrid(Sound):
    def steer(self, tradeoff):
        return Steered(self, tradeoff.select(torch.arange(len(tradeoff)).flip(0)))


class ShortGrid(Sound):
    def steer(self, tradeoff):
        return Steered(self, tradeoff.select(torch.tensor([0])))


class OneRowUnanswered(Sound):
    def assignments(self, tradeoff):
        return super().assignments(tradeoff.select(torch.arange(1, len(tradeoff))))


class AnswersAtOne(Sound):
    def assignments(self, tradeoff):
        return [replace(assignment, divisor=torch.ones_like(assignment.divisor)) for assignment in super().assignments(tradeoff)]


class Drawing(Sound):
    def correction(self, batch, tradeoff):
        self.calls = getattr(self, "calls", 0) + 1
        return super().correction(batch, tradeoff) + 1e-6 * self.calls


class OneRatio(Sound):
    def correction(self, batch, tradeoff):
        ratio = tradeoff.expand(len(batch)).betas
        shares = ratio / ratio[0].sum()  # right for one row alone, and for rows of one sum
        return super().correction(batch, tradeoff) * (1 + shares[:, :1] * (shares.sum(-1, keepdim=True) - 1))


def test_a_sound_policy_passes():
    check_policy(Sound(), _batch())
    check_policy(Sound(), _batch(), torch.tensor([[0.5, 2.0]]))
    check_policy(Sound(), _batch(), any_ratio=True)


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        (OneAxis, r"scores \[4, 3\]"),
        (Infinite, "scores of items are finite"),
        (FirstRow, "a list scores the same alone"),
        (FixedTemperature, r"betas multiplied by c give the scores s0 \+ \(s - s0\) / c"),
        (ForgetsReference, r"betas multiplied by c give the scores s0 \+ \(s - s0\) / c"),
        (ShortGrid, r"steered scores \[4, 4, 3\]"),
        (SwappedGrid, "`steer` gives the same scores as a call with one row"),
        (OneRowUnanswered, "`assignments` cover every row once"),
        (AnswersAtOne, "the model and injection of an assignment give the policy's scores"),
        (Drawing, "the same scores twice"),
        (OneRatio, "a list scores the same alone"),
    ],
)
def test_a_broken_policy_is_refused_with_the_rule(broken, rule):
    with pytest.raises(AssertionError, match=f"expected: .*{rule}"):
        check_policy(broken(), _batch())


def test_one_list_is_too_few_to_check():
    with pytest.raises(AssertionError, match="at least two lists"):
        check_policy(Sound(), _batch(rows=1))
