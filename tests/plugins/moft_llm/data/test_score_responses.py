"""Scores are the finite numbers that scorers promise, or the scorer is named."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from moft import DataError, PluginError
from moft_llm.data.score_responses import score_responses


class Giving:
    """Gives, or raises, what it is made with."""

    meaning = "whatever"

    def __init__(self, given):
        self.given = given

    def __call__(self, prompts, responses):
        if isinstance(self.given, Exception):
            raise self.given
        return self.given


def test_scores_stand_side_by_side_in_the_order_of_the_scorers():
    scorers = {"a": Giving(torch.tensor([1.0, 2.0])), "b": Giving(torch.tensor([3.0, 4.0], requires_grad=True))}
    found = score_responses(scorers, ["x", "y"], ["x", "y"])
    assert_close(found, torch.tensor([[1.0, 3.0], [2.0, 4.0]], dtype=torch.float64))
    assert not found.requires_grad


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (torch.tensor([1.0, torch.nan]), "returned nan for the response 'second'; scores must be finite."),
        (torch.tensor([torch.inf, 0.0]), "returned inf for the response 'first'; scores must be finite."),
        (torch.tensor([1.0]), "returned a tensor of shape [1] for 2 responses; it must return one number for each."),
        ([1.0, 2.0], "returned [1.0, 2.0] for 2 responses; it must return one number for each."),
        (ZeroDivisionError("no\nwords"), "failed (ZeroDivisionError: no words); MOFT_TRACE=1 shows where."),
        (KeyError(), "failed (KeyError); MOFT_TRACE=1 shows where."),
    ],
)
def test_a_scorer_that_breaks_its_promise_is_named(given, told):
    with pytest.raises(PluginError) as error:
        score_responses({"good": Giving(torch.zeros(2)), "bad": Giving(given)}, ["x", "y"], ["first", "second"])
    assert str(error.value) == f"the scorer of 'bad' (Giving) {told}"


def test_what_a_scorer_says_of_the_user_stays_as_it_is():
    with pytest.raises(DataError, match=r"^too long$"):
        score_responses({"bad": Giving(DataError("too long"))}, ["x"], ["y"])
