"""The contract of conditioners refuses every broken rule, by its words."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from moft.api import Conditioner, Delta, Injection
from moft.errors import ConfigError
from moft.testing import check_conditioner


class Sound(Conditioner):
    slots = frozenset({"modulation"})

    def __init__(self, spec):
        super().__init__()
        if not self.slots <= spec.slots:
            raise ConfigError("the model reads no modulation")
        self.spec = spec
        self.layer = nn.Linear(spec.tradeoff_size, spec.hidden_size)

    def shift(self, vector):
        return self.layer(vector)

    def forward(self, vector):
        return Injection({"input": (None, self.shift(vector))})


class EverySlot(Sound):
    slots = frozenset({"modulation", "prefix", "deltas"})

    def forward(self, vector):
        shift = self.shift(vector)
        column = shift[:, :1, None]
        (first, (out, inside)), (last, shape) = self.spec.shapes.items()
        low_rank = Delta(a=column.expand(-1, 3, inside), b=column.expand(-1, out, 3))
        layers = {first: (low_rank,), last: (Delta(dense=column.expand(-1, *shape)),)}
        return Injection({"hidden": (shift, shift)}, shift.unsqueeze(1).expand(-1, 4, -1), layers)


class Gated(Sound):
    slots = frozenset({"gates"})

    def __init__(self, spec):
        super().__init__(spec)
        self.layers = nn.ModuleList(nn.Linear(spec.tradeoff_size, rank) for rank in spec.ranks.values())

    def forward(self, vector):
        made = zip(self.spec.ranks, self.layers, strict=True)
        return Injection(gates={layer: 1 + part(vector) + 0 * self.layer(vector).sum() for layer, part in made})


class GatedElsewhere(Gated):
    def forward(self, vector):
        gates = super().forward(vector).gates
        return Injection(gates={"nowhere" if layer == "outer" else layer: own for layer, own in gates.items()})


class GatedTooWide(Gated):
    def forward(self, vector):
        return Injection(gates={layer: torch.cat([own, own], 1) for layer, own in super().forward(vector).gates.items()})


class OneAtATime(Sound):
    per_row = False

    def forward(self, vector):
        if len(vector) > 1:
            raise ValueError("one row at a time")
        return super().forward(vector)


class OneAtATimeBlind(OneAtATime):
    def shift(self, vector):
        return self.layer(torch.ones_like(vector))


class OtherSlot(Sound):
    slots = frozenset({"prefix"})


class OtherSite(Sound):
    def forward(self, vector):
        return Injection({"nowhere": (None, self.shift(vector))})


class Nothing(Sound):
    def forward(self, vector): ...


class NoPair(Sound):
    def forward(self, vector):
        return Injection({"input": self.shift(vector)})


class InPlace(Sound):
    def shift(self, vector):
        return self.layer(vector.mul_(2))


class Slotless(Sound):
    slots = {"modulation"}  # noqa: RUF012


class OneRow(Sound):
    def shift(self, vector):
        return self.layer(vector)[:1]


class Infinite(Sound):
    def shift(self, vector):
        return self.layer(vector) / 0.0


class BatchMean(Sound):
    def shift(self, vector):
        return self.layer(vector) - self.layer(vector).mean(0)


class Blind(Sound):
    def shift(self, vector):
        return self.layer(torch.ones_like(vector))


class Unused(Sound):
    def __init__(self, spec):
        super().__init__(spec)
        self.idle = nn.Parameter(torch.zeros(3))


class Stuck(Sound):
    def __init__(self, spec):
        super().__init__(spec)
        self.gate = nn.Parameter(torch.zeros(()))
        for parameter in self.layer.parameters():
            nn.init.zeros_(parameter)

    def shift(self, vector):
        return self.layer(vector) * self.gate


class Hidden(Sound):
    def __init__(self, spec):
        super().__init__(spec)
        self.secret = torch.randn(spec.hidden_size)

    def shift(self, vector):
        return self.layer(vector) + self.secret


class TwoRanks(EverySlot):
    def forward(self, vector):
        injection = super().forward(vector)
        (first,) = injection.deltas["first"]
        return Injection(
            injection.modulation, injection.prefix, {**injection.deltas, "first": (Delta(a=first.a[:, :2], b=first.b),)}
        )


class Anywhere(Sound):
    slots = frozenset()

    def __init__(self, spec):
        super().__init__(spec)
        self.slots = frozenset({"modulation"})


class Crashing(Sound):
    def __init__(self, spec):
        if not spec.sites:
            raise KeyError("input")
        super().__init__(spec)


@pytest.mark.parametrize("kind", [Sound, EverySlot, Gated, OneAtATime])
def test_a_sound_conditioner_passes(kind):
    check_conditioner(kind)


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        (lambda spec: nn.Linear(spec.tradeoff_size, 1), "a moft.api.Conditioner.*a Linear"),
        (Slotless, "`slots`, a frozenset of the slots that it fills.*a set"),
        (Nothing, r"an Injection; got: None"),
        (NoPair, r"a pair \(scale, shift\) for site 'input'.*Tensor"),
        (InPlace, "the vector is not changed"),
        (OtherSlot, "exactly the slots in `slots` are filled"),
        (OtherSite, "only sites and layers that the model has"),
        (GatedElsewhere, "only sites and layers that the model has"),
        (GatedTooWide, r"gates inner of shape \[3, 3\]"),
        (OneAtATimeBlind, "different vectors give different injections"),
        (OneRow, "modulation input shift of shape"),
        (Infinite, "modulation input shift is finite"),
        (TwoRanks, "both factors of .* have the same rank"),
        (BatchMean, "a row gives the same result alone and in a batch"),
        (Blind, "different vectors give different injections"),
        (Unused, "every parameter is used.*idle"),
        (Stuck, "at least one parameter has a gradient other than zero"),
        (Hidden, "the same output after saved parameters are loaded"),
        (Anywhere, "refused with a ConfigError.*it was built"),
        (Crashing, "refused with a ConfigError.*KeyError"),
    ],
)
def test_a_broken_conditioner_is_refused_with_the_rule(broken, rule):
    with pytest.raises(AssertionError, match=f"expected: .*{rule}"):
        check_conditioner(broken)
