"""What is written of a choice: numbers that JSON takes, whatever the outcomes are like."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
import torch

from moft.engine.choices.search import DialledWeights, Effort, scattered, search
from moft.engine.choices.selection import Candidates
from moft.engine.choices.wish_settings import OutcomeNames, WishSettings, wish_of
from moft.run.policy.choices import choice_record as module
from moft.run.policy.choices.choice_record import choice_record
from moft.types import Nouns

NAMES = OutcomeNames(("first", "second", "main"), "main")
DIALS = (0.125, 64.0)


@pytest.fixture
def recorded(monkeypatch):
    """Chooses for a wish where the outcomes of tradeoffs are `scale` times those of strengths, plus `level`, plus noise."""
    monkeypatch.setattr(module, "policy_hash", lambda folder: "0" * 64)

    def make(*keep, level=0.5, scale=0.3, spread=0.05, lists=40, new_lists=40, **wish):
        settings = WishSettings(keep=keep, **({"maximise": "first"} if not wish.keys() & {"share", "like"} else {}), **wish)
        noise = spread * torch.randn(lists, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

        def measure(places: DialledWeights) -> Candidates:
            strength = (1 / (1 + places.dials.double())).unsqueeze(1)
            means = torch.cat([strength * places.weights.double(), -(strength**2)], 1) * scale + level
            own = (1 + strength).unsqueeze(1) * noise
            base = torch.full((3,), level, dtype=torch.float64) + noise
            return Candidates.of(NAMES.names, means.unsqueeze(1) + own, base)

        effort = Effort(scattered(2, 30, DIALS, 0, vertices=(1.0,)), 1, 4, DIALS, 100, new_lists)
        read = wish_of(settings, NAMES)
        found = search(measure, lambda places: places, read, effort)
        objectives = [SimpleNamespace(name=name) for name in NAMES.names[:2]]
        run = SimpleNamespace(folder=None, task=SimpleNamespace(objectives=objectives, nouns=Nouns()))
        record = choice_record(run, settings, read, NAMES, found, effort, None, measured=len(found.places))
        json.dumps(record, allow_nan=False)
        return record

    return make


def test_a_kept_bound_has_its_probability_and_its_price(recorded):
    record = recorded("main >= 90% of base")
    (bound,) = record["bounds"]
    assert record["is_promised"]
    assert record["notes"] == []
    assert bound["holds"] >= 0.95
    assert (bound["text"], bound["relaxed"]) == ("main >= 90% of base", "main >= 89% of base")
    assert bound["gain"] > 0
    low, high = record["outcomes"][0]["reachable"]
    assert low <= record["outcomes"][0]["validation"] <= high


@pytest.mark.parametrize("value", [0.498765432, 0.4991, 0.49987, 0.5])
def test_a_relaxed_bound_is_lower_however_small_the_range_is(value, recorded):
    record = recorded(f"main >= {value}", scale=0.002, spread=1e-5)
    (bound,) = record["bounds"]
    assert not record["is_promised"] or bound["gain"] >= -1e-9
    assert not record["is_promised"] or float(bound["relaxed"].split()[-1]) <= value


@pytest.mark.parametrize("value", ["0.42", "0.1", "0.7", "100% of base", "100% of best"])
def test_outcomes_that_never_change_are_recorded(value, recorded):
    level = float(value) if "%" not in value else 0.3
    record = recorded(f"main >= {value}", level=level, scale=0.0, spread=0.0)
    assert record["bounds"][0].get("gain", 0) == pytest.approx(0, abs=1e-9)


def test_what_nothing_reaches_says_how_far_it_gets(recorded):
    record = recorded("first >= 5")
    assert not record["is_promised"]
    assert "first >= 5: needs 5, and first reaches 0.7" in record["notes"][0]
    assert record["notes"][-1].startswith("The nearest tradeoff was chosen")
    assert record["outcomes"][0]["reachable"] == [None, None]


def test_bounds_that_exclude_each_other_are_told_with_what_is_left(recorded):
    record = recorded("first >= 0.65", "second >= 0.65")
    assert not record["is_promised"]
    assert record["notes"][0].startswith("first >= 0.65: needs 0.65, and first reaches 0.")
    assert "where all other bounds are kept" in record["notes"][0]


@pytest.mark.parametrize("confidence", [0.01, 0.5, 0.999])
@pytest.mark.parametrize("spread", [0.0, 0.05, 5.0])
@pytest.mark.parametrize("new_lists", [1, 1_000_000])
def test_every_confidence_and_spread_ends_in_numbers(confidence, spread, new_lists, recorded):
    for keep in (("main >= 99.9% of base",), ("main >= 0.48", "first >= 0.501"), ()):
        record = recorded(*keep, confidence=confidence, spread=spread, new_lists=new_lists)
        assert record["is_promised"] or record["notes"]


def test_too_few_lists_say_how_many_it_would_take(recorded):
    record = recorded("first >= 0.60", "main >= 0.40", spread=0.8, confidence=0.999)
    assert not record["is_promised"]
    (note,) = record["notes"]
    assert "keep all bounds, but not by enough for a confidence of 0.999" in note


@pytest.mark.parametrize("wish", [{"share": {"first": 60, "second": 40}}, {"like": {"first": 0.6, "main": 0.45}}])
def test_only_what_is_maximised_has_a_price(wish, recorded):
    record = recorded("main >= 80% of base", **wish)
    assert "gain" not in record["bounds"][0]
