"""The contract of samplers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Generator, Tensor

from moft.interfaces import AdaptiveSampler, Sampler
from moft.testing.contracts.assertions import (
    own_randomness,
    require,
    require_finite,
    require_kind,
    require_same,
    untouched_randomness,
)

_DRAWS = 64


def check_sampler(
    build: Callable[[int], Sampler], *, sizes: Sequence[int] = (1, 2, 3, 5), points: int = 21, simplex: bool = True
) -> None:
    """Checks what every sampler promises.

    Draws `[count, size]`, finite, not negative and not all zero, from the generator it is given alone, the same for the same
    seed; a grid of at most the points asked for, the same on every call, which the caller may change. An adaptive one keeps all
    of that when it was told values, measured or not, and draws as the one whose state it takes back.

    Args:
        build: size to sampler.
        sizes: for which to check.
        points: asked of the grid.
        simplex: whether every vector sums to one, as weights do.

    Raises:
        AssertionError: what was promised, what was seen, and on which input.
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
        with own_randomness(), untouched_randomness("draws come from the given generator alone", on):
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
    for told, name in ((values, "values"), (values * 0, "zeros"), (values * torch.nan, "NaN"), (unmeasured, "some NaN")):
        where = f"size {size} after observe({name})"
        kept = told.clone()
        with own_randomness(), untouched_randomness("observing draws nothing", where):
            sampler.observe(told)
        require_same(told, kept, "values left as they were", where, tolerance=0.0)
        require_same(sampler.watched_weights(), watched, "the same watched weights on every call", where, tolerance=0.0)
        _check_draws(sampler, size, simplex, where)
        other = build(size)
        require(isinstance(other, AdaptiveSampler), "adaptive, however often it is built", type(other).__name__, where)
        if isinstance(other, AdaptiveSampler):
            other.restore({name: value.clone() for name, value in sampler.state().items()})
            drawn, again = (each.draw(_DRAWS, Generator().manual_seed(0)) for each in (sampler, other))
            require_same(again, drawn, "a restored state gives the same draws", where, tolerance=0.0)


def _check_grid(sampler: Sampler, size: int, points: int, simplex: bool) -> None:
    on = f"grid({points}) of size {size}"
    with own_randomness(), untouched_randomness("a grid draws nothing", on):
        grid = sampler.grid(points)
    require_kind(grid, Tensor, f"a grid, a tensor [n, {size}]", on)
    _check_vectors(grid, (len(grid), size), simplex, on)
    require(1 <= len(grid) <= points, f"between one and {points} points", f"{len(grid)} points", on)
    kept = grid.clone()
    grid.zero_()
    require_same(sampler.grid(points), kept, "the same grid on every call, of the caller's own", on, tolerance=0.0)
    require(len(kept.unique(dim=0)) == len(kept), "no point twice", kept.tolist(), on)  # type: ignore[no-untyped-call]


def _check_vectors(vectors: Tensor, shape: tuple[int, int], simplex: bool, on: str) -> None:
    require_kind(vectors, Tensor, f"vectors, a tensor {list(shape)}", on)
    require(vectors.shape == shape, f"vectors {list(shape)}", f"shape {list(vectors.shape)}", on)
    require(vectors.dtype == torch.float32, "vectors of float32", vectors.dtype, on)
    require_finite(vectors, "entries are finite", on)
    require(bool((vectors >= 0).all()), "no entry is negative", float(vectors.min()), on)
    require(bool((vectors > 0).any(-1).all()), "no vector is all zero", "one is", on)
    if simplex:
        require_same(vectors.sum(-1), torch.ones(len(vectors)), "every vector sums to one", on)
