"""The contract of samplers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Generator, Tensor

from moft.interfaces import AdaptiveSampler, Sampler
from moft.testing.contracts.assertions import (
    forked_randomness,
    require,
    require_finite,
    require_kind,
    require_same,
    unused_global_generator,
)

_DRAWS = 64


def check_sampler(
    build: Callable[[int], Sampler], *, sizes: Sequence[int] = (1, 2, 3, 5), points: int = 21, simplex: bool = True
) -> None:
    """Checks the contract of samplers.

    Draws are `[count, size]`, finite, not negative and not all zero. They use only the given generator, and the same seed gives
    the same draws. The grid has at most the given number of points, is the same on every call, and belongs to the caller. For an
    adaptive sampler all of this holds after `observe` too, also with NaN, and a restored state gives the same draws.

    Args:
        build: makes a sampler of a size.
        sizes: for which to check.
        points: of the grid, at most.
        simplex: whether every vector sums to one, as weights do.

    Raises:
        AssertionError: a rule is broken; the message gives the rule, what was found and the input.
    """
    for size in sizes:
        sampler = build(size)
        _check_draws(sampler, size, simplex, f"size {size}")
        _check_grid(sampler, size, points, simplex)
        if isinstance(sampler, AdaptiveSampler):
            _check_adapting(sampler, build, size, simplex)


def _check_draws(sampler: Sampler, size: int, simplex: bool, where: str) -> None:
    for count in (1, _DRAWS):
        on = f"draw({count}) of {where}"
        with forked_randomness(), unused_global_generator("only the given generator is used", on):
            drawn = sampler.draw(count, Generator().manual_seed(0))
        _check_vectors(drawn, (count, size), simplex, on)
        again = sampler.draw(count, Generator().manual_seed(0))
        require_same(again, drawn, "the same seed gives the same draws", on, tolerance=0.0)


def _check_adapting(sampler: AdaptiveSampler, build: Callable[[int], Sampler], size: int, simplex: bool) -> None:
    watched = sampler.watched_weights()
    require_kind(watched, Tensor, f"watched weights, a tensor [n, {size}]", f"watched_weights() of size {size}")
    _check_vectors(watched, (len(watched), size), simplex, f"watched_weights() of size {size}")
    values = torch.rand(len(watched), size, generator=Generator().manual_seed(1))
    unmeasured = values.clone()
    unmeasured[0] = torch.nan
    for observed, name in ((values, "values"), (values * 0, "zeros"), (values * torch.nan, "NaN"), (unmeasured, "some NaN")):
        where = f"size {size} after observe({name})"
        before = observed.clone()
        with forked_randomness(), unused_global_generator("the global generator is not used by `observe`", where):
            sampler.observe(observed)
        require_same(observed, before, "values are not changed", where, tolerance=0.0)
        require_same(sampler.watched_weights(), watched, "the same watched weights on every call", where, tolerance=0.0)
        _check_draws(sampler, size, simplex, where)
        other = build(size)
        require(isinstance(other, AdaptiveSampler), "an AdaptiveSampler every time it is built", type(other).__name__, where)
        if isinstance(other, AdaptiveSampler):
            other.restore({name: value.clone() for name, value in sampler.state().items()})
            drawn, again = (one.draw(_DRAWS, Generator().manual_seed(0)) for one in (sampler, other))
            require_same(again, drawn, "a restored state gives the same draws", where, tolerance=0.0)


def _check_grid(sampler: Sampler, size: int, points: int, simplex: bool) -> None:
    on = f"grid({points}) of size {size}"
    with forked_randomness(), unused_global_generator("the global generator is not used by `grid`", on):
        grid = sampler.grid(points)
    require_kind(grid, Tensor, f"a grid, a tensor [n, {size}]", on)
    _check_vectors(grid, (len(grid), size), simplex, on)
    require(1 <= len(grid) <= points, f"between one and {points} points", f"{len(grid)} points", on)
    kept = grid.clone()
    grid.zero_()
    require_same(sampler.grid(points), kept, "a new tensor with the same points on every call", on, tolerance=0.0)
    require(len(kept.unique(dim=0)) == len(kept), "all points are different", kept.tolist(), on)  # type: ignore[no-untyped-call]


def _check_vectors(vectors: Tensor, shape: tuple[int, int], simplex: bool, on: str) -> None:
    require_kind(vectors, Tensor, f"vectors, a tensor {list(shape)}", on)
    require(vectors.shape == shape, f"vectors {list(shape)}", f"shape {list(vectors.shape)}", on)
    require(vectors.dtype == torch.float32, "vectors of float32", vectors.dtype, on)
    require_finite(vectors, "entries are finite", on)
    require(bool((vectors >= 0).all()), "no entry is negative", float(vectors.min()), on)
    require(bool((vectors > 0).any(-1).all()), "no vector is all zero", "one that is", on)
    if simplex:
        require_same(vectors.sum(-1), torch.ones(len(vectors)), "every vector sums to one", on)
