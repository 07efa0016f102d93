"""The contract of tasks refuses every broken rule, by its words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from moft.api import Batch, Batches, InputCheck, Model, ModelSpec, Nouns, Objective
from moft.testing import check_task

M, LISTS, LENGTH = 2, 6, 4


class Scores(Model):
    def __init__(self, tradeoff_size):
        super().__init__()
        self.spec = ModelSpec(tradeoff_size, 3)
        self.layer = nn.Linear(3, 1)

    def forward(self, inputs, injection):
        return self.layer(inputs["features"]).squeeze(-1)


class Flat(Scores):
    def forward(self, inputs, injection):
        return super().forward(inputs, injection).sum(1)


class Sound:
    nouns = Nouns("query", "document")
    objectives = (Objective("first"), Objective("second"))
    main = None

    def __init__(self):
        self.offset = torch.zeros(3)

    def prepare(self, trainer):
        self.offset = torch.ones(3)

    def state(self):
        return {"offset": self.offset}

    def restore(self, state):
        self.offset = state["offset"]

    def model(self, tradeoff_size):
        return Scores(tradeoff_size)

    def load(self, lists):
        rows = [torch.Generator().manual_seed(int(index)) for index in lists]
        random = [torch.rand(LENGTH, 3 + M + 2, generator=generator) for generator in rows]
        whole = torch.stack(random)  # [batch, list, columns]
        items = torch.arange(LENGTH) < 2 + (lists % 3).unsqueeze(1)
        features, labels, reference, main = whole[..., :3], whole[..., 3 : 3 + M], whole[..., -2], whole[..., -1]
        return self.record(
            Batch({"features": features}, labels, items.unsqueeze(-1).repeat(1, 1, M), reference, items, main, lists)
        )

    def record(self, batch):
        return batch

    def order(self, split, generator):
        return torch.arange(LISTS) if generator is None else torch.randperm(LISTS, generator=generator)

    def batches(self, split, generator=None):
        return Batches(self.order(split, generator).split(4), self.load)

    def read(self, path: Path):
        return self.batches("test")

    def identity(self):
        return {"lists": LISTS}


def _kind(**methods):
    return type("Broken", (Sound,), methods)


def _changed(**changes):
    """A task whose batches are changed: by field, a function of the batch."""
    return _kind(record=lambda self, batch: replace(batch, **{name: change(batch) for name, change in changes.items()}))


def _counting(self, batch):
    self.calls = getattr(self, "calls", 0) + 1
    return replace(batch, labels=batch.labels + self.calls)


def _fixed_order_that_turns(self, split, generator):
    self.calls = getattr(self, "calls", 0) + 1
    return torch.arange(LISTS).roll(self.calls) if generator is None else Sound.order(self, split, generator)


def _unrepeatable(self, split, generator):
    self.calls = getattr(self, "calls", 0) + 1
    return Sound.order(self, split, generator).roll(0 if generator is None else self.calls)


def _loses_one(self, split, generator):
    return torch.arange(LISTS) if generator is None else torch.randperm(LISTS - 1, generator=generator)


def _nothing(self, split, generator=None):
    return Batches([], self.load)


def _nan_padding(batch):
    return batch.reference.masked_fill(~batch.items, torch.nan)


def _features(change):
    return lambda batch: {"features": change(batch.inputs["features"])}


def _empty_list(self, batch):
    return replace(batch, items=batch.items & (batch.lists > 0).unsqueeze(1), mask=torch.zeros_like(batch.mask))


def _draws(self):
    torch.rand(1)
    return InputCheck()


def _changes(self):
    self.offset = self.offset + 1
    return InputCheck()


BROKEN = [
    (_kind(check_inputs=lambda self: ()), "a moft.api.InputCheck"),
    (_kind(check_inputs=lambda self: InputCheck(("a\nb",))), "sentences on what is unchecked"),
    (_kind(check_inputs=_draws), "a look draws nothing"),
    (_kind(check_inputs=_changes), "the same state after a look"),
    (_kind(check_inputs=lambda self: InputCheck((), replace(self.load(torch.arange(2)), main=torch.zeros(1)))), "main of shape"),
    (_kind(objectives=()), "objectives with different names"),
    (_kind(nouns="query"), "`nouns`, a moft.api.Nouns"),
    (_kind(objectives=(Objective("first"), Objective("first"))), "objectives with different names"),
    (_kind(order=lambda self, split, generator: torch.randperm(LISTS)), "only the given generator is used"),
    (_changed(labels=lambda batch: batch.labels[..., :1]), r"labels of shape \[4, 4, 2\]"),
    (_changed(mask=lambda batch: batch.mask[..., :1]), "mask of shape"),
    (_changed(reference=lambda batch: batch.reference[:1]), "reference of shape"),
    (_changed(main=lambda batch: batch.main[:, :1]), "main of shape"),
    (_changed(lists=lambda batch: batch.lists[:1]), "lists of shape"),
    (_changed(inputs=_features(lambda features: features[:1])), "input 'features' with 4 rows"),
    (_changed(items=lambda batch: batch.items.float()), "items of torch.bool"),
    (_changed(mask=lambda batch: torch.ones_like(batch.mask)), "the mask is False at padding"),
    (_kind(record=_empty_list), "every list has an item"),
    (_changed(labels=lambda batch: batch.labels / 0.0), "labels are finite"),
    (_changed(reference=_nan_padding), "reference are finite, at padding too"),
    (_changed(inputs=_features(lambda features: features / 0.0)), "features are finite"),
    (_changed(lists=lambda batch: batch.lists.flip(0)), "a batch holds the planned lists"),
    (_kind(order=lambda self, split, generator: Sound.order(self, split, generator) % 5), "every list occurs once"),
    (_kind(order=lambda self, split, generator: Sound.order(self, split, generator) + 1), "numbered from zero without a gap"),
    (_kind(batches=_nothing), "at least one list"),
    (_kind(order=_fixed_order_that_turns), "the same order each time without a generator"),
    (_kind(order=_unrepeatable), "the same order for the same seed"),
    (_kind(order=lambda self, split, generator: torch.arange(LISTS)), "an order drawn from the generator"),
    (_kind(order=_loses_one), "every list occurs in any order"),
    (_kind(record=_counting), "a list has the same content in any batch"),
    (_kind(model=lambda self, size: Scores(2)), "a spec with tradeoff_size 1"),
    (_kind(model=lambda self, size: Flat(size)), r"scores \[4, 4\]"),
    (_kind(restore=lambda self, state: setattr(self, "offset", state["offset"] + 1)), "the same state after restoring it"),
    (_kind(identity=lambda self: {"path": Path("data")}), "an identity that JSON can hold"),
]


def test_a_sound_task_passes():
    check_task(Sound())
    check_task(Sound(), ["test"])


@pytest.mark.parametrize(("broken", "rule"), BROKEN, ids=[rule for _, rule in BROKEN])
def test_a_broken_task_is_refused_with_the_rule(broken, rule):
    with pytest.raises(AssertionError, match=f"expected: .*{rule}"):
        check_task(broken())
