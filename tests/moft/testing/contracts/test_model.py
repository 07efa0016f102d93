"""The contract of models refuses every broken rule, by its words."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from moft.api import Model, ModelSpec, injected_linear, modulated
from moft.testing import check_model

HIDDEN = 4
SPEC = ModelSpec(2, HIDDEN, frozenset({"modulation", "prefix", "deltas"}), ("input",), {"last": (1, HIDDEN)})


class Sound(Model):
    """Reads a prefix as the mean of its tokens."""

    def __init__(self, spec=SPEC):
        super().__init__()
        self.spec = spec
        self.first = nn.Linear(3, HIDDEN)
        self.last = nn.Linear(HIDDEN, 1)
        nn.init.zeros_(self.last.weight)

    def hidden(self, inputs, injection):
        hidden = modulated(self.first(inputs["features"]), injection, "input")
        return hidden if injection.prefix is None else hidden + injection.prefix.mean(1, keepdim=True)

    def scores(self, hidden, injection):
        return injected_linear(self.last, hidden.tanh(), injection.deltas.get("last", ())).squeeze(-1)

    def forward(self, inputs, injection):
        return self.scores(self.hidden(inputs, injection), injection)


class ThreeAxes(Sound):
    def forward(self, inputs, injection):
        return super().forward(inputs, injection).unsqueeze(-1)


class Infinite(Sound):
    def forward(self, inputs, injection):
        return super().forward(inputs, injection) / 0.0


class Drawing(Sound):
    def forward(self, inputs, injection):
        return nn.functional.dropout(super().forward(inputs, injection), training=True)


class BatchMean(Sound):
    def forward(self, inputs, injection):
        scores = super().forward(inputs, injection)
        return scores - scores.mean()


class FirstRow(Sound):
    def hidden(self, inputs, injection):
        hidden = self.first(inputs["features"])
        scale, shift = injection.modulation.get("input", (None, None))
        hidden = hidden if scale is None else hidden * scale[:1].unsqueeze(1)
        hidden = hidden if shift is None else hidden + shift[:1].unsqueeze(1)
        return hidden if injection.prefix is None else hidden + injection.prefix.mean(1, keepdim=True)


class AddsScale(Sound):
    def hidden(self, inputs, injection):
        scale, shift = injection.modulation.get("input", (None, None))
        hidden = super().hidden(inputs, replace(injection, modulation={"input": (None, shift)}))
        return hidden if scale is None else hidden + scale.unsqueeze(1)


class NoShift(Sound):
    def hidden(self, inputs, injection):
        scale, _ = injection.modulation.get("input", (None, None))
        return super().hidden(inputs, replace(injection, modulation={"input": (scale, None)}))


class NoPrefix(Sound):
    def hidden(self, inputs, injection):
        return super().hidden(inputs, replace(injection, prefix=None))


class NoDeltas(Sound):
    def scores(self, hidden, injection):
        return super().scores(hidden, replace(injection, deltas={}))


class Detached(Sound):
    def hidden(self, inputs, injection):
        hidden = super().hidden(inputs, injection)
        return self.first(inputs["features"]) + (hidden - self.first(inputs["features"])).detach()


class Gated(Sound):
    """Low-rank factors behind the first layer, gated."""

    def __init__(self):
        super().__init__(replace(SPEC, slots=SPEC.slots | {"gates"}, ranks={"inner": 2}))
        self.down, self.up = nn.Linear(3, 2, bias=False), nn.Linear(2, HIDDEN, bias=False)

    def gated(self, inner, injection):
        gates = injection.gates.get("inner")
        return inner if gates is None else inner * gates.unsqueeze(1)

    def hidden(self, inputs, injection):
        return super().hidden(inputs, injection) + self.up(self.gated(self.down(inputs["features"]), injection))


class GatesUnread(Gated):
    def gated(self, inner, injection):
        return inner


class GatesAdded(Gated):
    def gated(self, inner, injection):
        gates = injection.gates.get("inner")
        return inner if gates is None else inner + gates.unsqueeze(1)


class Longer(Sound):
    def forward(self, inputs, injection):
        scores = super().forward(inputs, injection)
        return scores if injection.prefix is None else torch.cat([injection.prefix.mean(-1), scores], dim=1)


def _inputs(rows=3):
    return {"features": torch.randn(rows, 5, 3, generator=torch.Generator().manual_seed(0))}


def test_a_sound_model_passes_and_is_not_changed():
    model = Sound()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    check_model(model, _inputs())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_model_that_reads_gates_passes():
    check_model(Gated(), _inputs())


def test_a_model_of_fewer_slots_passes():
    check_model(NoPrefix(replace(SPEC, slots=frozenset({"modulation", "deltas"}))), _inputs())


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        (ThreeAxes, r"scores \[3, list\]"),
        (Infinite, "scores are finite"),
        (Drawing, "the same scores twice"),
        (BatchMean, "a row scores the same alone.*no injection"),
        (FirstRow, "a row scores the same alone.*a scale at site 'input'"),
        (AddsScale, "scales and gates of one, shifts and deltas of zero do not change the scores"),
        (NoShift, "every site and layer in its spec is used.*a shift at site 'input'"),
        (NoPrefix, "every site and layer in its spec is used.*a prefix"),
        (NoDeltas, "every site and layer in its spec is used.*a dense delta of layer 'last'"),
        (GatesUnread, "every site and layer in its spec is used.*gates of layer 'inner'"),
        (GatesAdded, "scales and gates of one, shifts and deltas of zero do not change the scores"),
        (Detached, "a gradient reaches the injection"),
        (Longer, r"scores \[3, 5\].*a prefix"),
    ],
)
def test_a_broken_model_is_refused_with_the_rule(broken, rule):
    with pytest.raises(AssertionError, match=f"expected: .*{rule}"):
        check_model(broken(), _inputs())


@pytest.mark.parametrize(
    ("spec", "rule"),
    [
        (replace(SPEC, sites=()), "sites are named if and only if the slot 'modulation' is read"),
        (replace(SPEC, slots=frozenset({"modulation"})), "shapes are named if and only if the slot 'deltas' is read"),
        (replace(SPEC, ranks={"inner": 2}), "ranks are named if and only if the slot 'gates' is read"),
        (replace(SPEC, tradeoff_size=0), "sizes of at least one"),
    ],
)
def test_a_spec_that_contradicts_itself_is_refused(spec, rule):
    with pytest.raises(AssertionError, match=rule):
        check_model(Sound(spec), _inputs())


def test_one_row_is_too_few_to_check():
    with pytest.raises(AssertionError, match="at least two rows"):
        check_model(Sound(), _inputs(rows=1))
