"""The contract of scorers refuses every broken rule, by its words."""

from __future__ import annotations

import itertools

import pytest
import torch

from moft.testing import check_scorer


class Letters:
    meaning = "number of characters; larger is longer"

    def __call__(self, prompts, responses):
        return torch.tensor([float(len(response)) for response in responses])


class Meaningless(Letters):
    meaning = " "


class Rambling(Letters):
    meaning = "number\nof characters"


class AsList(Letters):
    def __call__(self, prompts, responses):
        return [float(len(response)) for response in responses]


class Exact(Letters):
    def __call__(self, prompts, responses):
        return super().__call__(prompts, responses).double()


class Column(Letters):
    def __call__(self, prompts, responses):
        return super().__call__(prompts, responses).unsqueeze(1)


class Trained(Letters):
    def __call__(self, prompts, responses):
        return super().__call__(prompts, responses).requires_grad_()


class Mean(Letters):
    def __call__(self, prompts, responses):
        lengths = [[float(len(word)) for word in response.split()] for response in responses]
        return torch.tensor([torch.tensor(words).mean() for words in lengths])


class Counting(Letters):
    def __init__(self):
        self._calls = itertools.count()

    def __call__(self, prompts, responses):
        return super().__call__(prompts, responses) + next(self._calls)


class PathOrName(Letters):
    def __call__(self, prompts, responses):
        return torch.arange(len(responses)).float()


class Relative(Letters):
    def __call__(self, prompts, responses):
        lengths = super().__call__(prompts, responses)
        return lengths - lengths.mean() if len(lengths) else lengths


class Sorting(Letters):
    def __call__(self, prompts, responses):
        scores = super().__call__(prompts, responses)
        if isinstance(responses, list):
            responses.sort()
        return scores


class Noisy(Letters):
    def __call__(self, prompts, responses):
        torch.rand(1)
        return super().__call__(prompts, responses)


def test_a_sound_scorer_passes():
    check_scorer(Letters())


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        (Meaningless, "`meaning`, one line of text"),
        (Rambling, "`meaning`, one line of text"),
        (AsList, "a tensor"),
        (Exact, "scores in float32"),
        (Column, "a score for each response"),
        (Trained, "scores without gradient"),
        (Mean, r"a score is finite.*; input: the response ''"),
        (Counting, "the same texts have the same scores"),
        (PathOrName, "the order of the responses does not change the scores"),
        (Relative, "a response scores the same alone"),
        (Sorting, "inputs are not changed"),
        (Noisy, "the global generator is not used"),
    ],
)
def test_a_broken_scorer_is_refused_with_the_rule(broken, rule):
    with pytest.raises(AssertionError, match=f"expected: .*{rule}"):
        check_scorer(broken())
