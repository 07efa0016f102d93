"""The contract of samplers refuses every broken rule, by its words."""

from __future__ import annotations

import pytest
import torch

from moft.testing import check_sampler


class Sound:
    def __init__(self, size):
        self.size = size

    def draw(self, count, generator):
        return torch.rand(count, self.size, generator=generator).add(0.1).log_softmax(-1).exp()

    def grid(self, points):
        return torch.eye(self.size)


class Narrow(Sound):
    def draw(self, count, generator):
        return super().draw(count, generator)[:, :1]


class Nothing(Sound):
    def draw(self, count, generator): ...


class NoGrid(Sound):
    def grid(self, points):
        return [[1.0] + [0.0] * (self.size - 1)]


class Exact(Sound):
    def draw(self, count, generator):
        return super().draw(count, generator).double()


class Infinite(Sound):
    def draw(self, count, generator):
        return super().draw(count, generator) / 0.0


class Negative(Sound):
    def draw(self, count, generator):
        return -super().draw(count, generator)


class Zero(Sound):
    def draw(self, count, generator):
        return torch.zeros(count, self.size)


class Unscaled(Sound):
    def draw(self, count, generator):
        return torch.rand(count, self.size, generator=generator) + 1


class Global(Sound):
    def draw(self, count, generator):
        return torch.rand(count, self.size).softmax(-1)


class Stateful(Sound):
    calls = 0

    def draw(self, count, generator):
        self.calls += 1
        return super().draw(count, generator).roll(self.calls, 0)


class LongGrid(Sound):
    def grid(self, points):
        return torch.rand(points + 1, self.size, generator=torch.Generator().manual_seed(0)).softmax(-1)


class RandomGrid(Sound):
    def grid(self, points):
        return torch.rand(points, self.size).softmax(-1)


class SharedGrid(Sound):
    def __init__(self, size):
        super().__init__(size)
        self.shared = torch.eye(size)

    def grid(self, points):
        return self.shared


class RepeatingGrid(Sound):
    def grid(self, points):
        return torch.eye(self.size).repeat(2, 1)


def test_a_sound_sampler_passes():
    check_sampler(Sound)


def test_vectors_off_the_simplex_pass_when_they_may():
    check_sampler(Unscaled, simplex=False)


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        (Nothing, r"vectors, a tensor \[1, 1\]"),
        (NoGrid, r"a grid, a tensor \[n, 1\]"),
        (Narrow, r"vectors \[1, 2\]"),
        (Exact, "vectors of float32"),
        (Infinite, "entries are finite"),
        (Negative, "no entry is negative"),
        (Zero, "no vector is all zero"),
        (Unscaled, "every vector sums to one"),
        (Global, "only the given generator is used"),
        (Stateful, "the same seed gives the same draws"),
        (LongGrid, "between one and 21 points"),
        (RandomGrid, "the global generator is not used by `grid`"),
        (SharedGrid, "a new tensor with the same points on every call"),
        (RepeatingGrid, "all points are different"),
    ],
)
def test_a_broken_sampler_is_refused_with_the_rule(broken, rule):
    with pytest.raises(AssertionError, match=f"expected: .*{rule}.*; got: .*; input: "):
        check_sampler(broken)
