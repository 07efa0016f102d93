"""Checks that samplers return what their interface promises; an error names the sampler in one line."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Generator, Tensor

from moft.engine.checks.return_values import blaming, failing_as, in_words
from moft.errors import PluginError, ShapeError
from moft.interfaces import AdaptiveSampler, Sampler


@blaming
def checked_draws(sampler: Sampler, count: int, generator: Generator, size: int | None = None) -> Tensor:
    """`[count, size]`, draws of a sampler.

    Args:
        sampler: to draw from.
        count: of draws.
        generator: that it draws with.
        size: entries of a vector; None takes any.

    Raises:
        PluginError: the sampler fails.
        ShapeError: it returns something else.
    """
    name = f"sampler {type(sampler).__name__}"
    with failing_as(f"{name} failed on draw({count})"):
        drawn = sampler.draw(count, generator)
    return _vectors(drawn, f"{name}: draw({count})", count, size)


@blaming
def checked_grid(sampler: Sampler, points: int, size: int) -> Tensor:
    """`[n, size]` float32, a sampler's grid of at most `points` points.

    Raises:
        PluginError: the sampler fails.
        ShapeError: it returns something else.
    """
    name = f"sampler {type(sampler).__name__}"
    with failing_as(f"{name} failed on grid({points})"):
        grid = sampler.grid(points)
    return _vectors(grid, f"{name}: grid({points})", None, size).float()


@blaming
def checked_watched_weights(sampler: AdaptiveSampler) -> Tensor:
    """`[n, m]`, the weights at which an adaptive sampler wants values.

    Raises:
        PluginError: the sampler fails.
        ShapeError: it returns something else.
    """
    name = f"sampler {type(sampler).__name__}"
    with failing_as(f"{name} failed on watched_weights()"):
        watched = sampler.watched_weights()
    return _vectors(watched, f"{name}: watched_weights()", None, None)


@blaming
def checked_state(sampler: AdaptiveSampler) -> Mapping[str, Tensor]:
    """What an adaptive sampler has learned, as a checkpoint can keep it.

    Raises:
        PluginError: the sampler fails, or does not return tensors by name.
    """
    name = f"sampler {type(sampler).__name__}"
    with failing_as(f"{name} failed on state()"):
        return _tensors(sampler.state(), name)


def _tensors(found: object, name: str) -> Mapping[str, Tensor]:
    """The state that a sampler returned, once it is known to be tensors by name."""
    if not isinstance(found, Mapping):
        raise PluginError(f"{name}: state() returned {in_words(found)}; it has to return a mapping of names to tensors.")
    for key, value in found.items():
        if not isinstance(value, Tensor):
            raise PluginError(f"{name}: state() returned {in_words(value)} as {key!r}; it has to be a tensor.")
    return found


def _vectors(found: object, what: str, count: int | None, size: int | None) -> Tensor:
    """What a sampler returned, once it is known to be vectors of that size."""
    fits = isinstance(found, Tensor) and found.dim() == 2 and found.is_floating_point()
    if not isinstance(found, Tensor) or not fits or count not in (None, len(found)) or size not in (None, found.shape[-1]):
        wanted = f"[{'n' if count is None else count}, {'size' if size is None else size}]"
        raise ShapeError(f"{what} returned {in_words(found)}; it has to return vectors, {wanted} of floats.")
    return found
