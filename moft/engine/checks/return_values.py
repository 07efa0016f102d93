"""Checks that components return what their interface promises; an error names the component in one line."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor

from moft.errors import MoftError, PluginError, ShapeError
from moft.interfaces import Conditioner, Evaluator, Indicator, Method, Policy
from moft.suggestions import one_line
from moft.types import Injection, ListValues, ModelSpec

P = ParamSpec("P")
T = TypeVar("T")


def blaming(check: Callable[P, T]) -> Callable[P, T]:
    """Decorates a check of a component, its first argument, so that errors know the component's module."""

    @wraps(check)
    def checked(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return check(*args, **kwargs)
        except (PluginError, ShapeError) as error:
            error.module = error.module or getattr(args[0], "__module__", "")
            raise

    return checked


@contextmanager
def failing_as(what: str) -> Iterator[None]:
    """Turns unexpected errors of the block into a PluginError that begins with `what`; expected errors pass unchanged.

    Raises:
        PluginError: something unexpected was raised.
    """
    try:
        yield
    except (MoftError, OSError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        raise PluginError(f"{what} ({one_line(error)}); MOFT_TRACE=1 shows where.") from error


@blaming
def checked_injection(conditioner: Conditioner, vector: Tensor, spec: ModelSpec) -> Injection:
    """What a conditioner injects for each row of `vector`, `[batch, tradeoff_size]`.

    Raises:
        PluginError: the conditioner fails.
        ShapeError: it does not return an injection, or one for sites or layers that the model does not have, of wrong shapes,
            or without a gradient for its parameters.
    """
    name = f"conditioner {type(conditioner).__name__}"
    with failing_as(f"{name} failed on weights {list(vector.shape)}"):
        found = conditioner(vector)
    if not isinstance(found, Injection):
        raise ShapeError(f"{name} returned {in_words(found)}; it has to return an Injection.")
    for kind, given, known in (
        ("site", found.modulation, spec.sites),
        ("layer for deltas", found.deltas, tuple(spec.shapes)),
        ("layer for gates", found.gates, tuple(spec.ranks)),
    ):
        unknown = next((place for place in given if place not in known), None)
        if unknown is not None:
            raise ShapeError(f"{name} injects at {kind} {unknown!r}; {spec.name} has these: {', '.join(known) or 'none'}.")
    pairs: Mapping[str, object] = found.modulation
    for site, pair in pairs.items():
        _check_pair(name, site, pair, (len(vector), spec.hidden_size))
    can_learn = not torch.is_grad_enabled() or any(tensor is not None and tensor.requires_grad for tensor in _tensors(found))
    if not can_learn and any(parameter.requires_grad for parameter in conditioner.parameters()):
        raise ShapeError(f"{name} returned an Injection without a gradient; it must be computed from the parameters to learn.")
    return found


@blaming
def checked_values(evaluator: Evaluator, found: object, n: int, m: int) -> ListValues:
    """What an evaluator measured, in the order of the split.

    Args:
        evaluator: that measured.
        found: what it returned.
        n: tradeoffs.
        m: objectives.

    Raises:
        ShapeError: it returned something else, or values of other shapes.
    """
    name = f"evaluator {type(evaluator).__name__}"
    if not isinstance(found, ListValues):
        raise ShapeError(f"{name} returned {in_words(found)}; it has to return ListValues.")
    lists = found.lists.numel() if isinstance(found.lists, Tensor) else 0
    fields: dict[str, object] = {"lists": found.lists, "values": found.values, "main": found.main}
    shapes: dict[str, tuple[int, ...]] = {"lists": (lists,), "values": (n, lists, m), "main": (n, lists)}
    for name_of_more, series in found.more.items():
        fields[f"more[{name_of_more!r}]"], shapes[f"more[{name_of_more!r}]"] = series, (n, lists)
    for field, given in fields.items():
        shape = shapes[field]
        found_shape = tuple(given.shape) if isinstance(given, Tensor) else in_words(given)
        if not isinstance(given, Tensor) or found_shape != shape:
            on = f"{n} tradeoffs, {lists} lists and {m} objectives"
            raise ShapeError(f"{name} returned {field} of shape {found_shape} for {on}; it has to be {shape}.")
        if bool(given.isinf().any()):
            raise ShapeError(f"{name} returned infinite {field}; each has to be finite, or NaN where there is none.")
    return found.ordered()


@blaming
def check_metric(evaluator: Evaluator) -> None:
    """Checks that an evaluator can be called and names its metric.

    Raises:
        PluginError: it cannot, or does not.
    """
    metric = getattr(evaluator, "metric", None)
    if not callable(evaluator) or not isinstance(metric, str):
        raise PluginError(
            f"evaluator {type(evaluator).__name__} is not an evaluator: it needs `metric`, the convention in words, and has to "
            "be callable with a steered policy and batches."
        )


@blaming
def checked_number(indicator: Indicator, points: Tensor, weights: Tensor) -> float:
    """The value of an indicator for a front.

    Args:
        indicator: with a name and a meaning.
        points: `[n, m]`.
        weights: `[n, m]`.

    Raises:
        PluginError: it fails, does not return a number, or lacks its name or meaning.
    """
    kind = f"indicator {type(indicator).__name__}"
    for word in ("name", "meaning"):
        if not isinstance(getattr(indicator, word, None), str):
            raise PluginError(f"{kind} has no {word}; it needs a text, which is printed with the number.")
    with failing_as(f"{kind} failed on {len(points)} points"):
        return _number(indicator(points, weights), kind)


@blaming
def checked_policy(method: Method[Policy], found: object) -> Policy:
    """What a method's `policy` returned, once it is known to be a policy.

    Raises:
        PluginError: it is not.
    """
    if not isinstance(found, Policy):
        raise PluginError(f"method {type(method).__name__}: policy returned {in_words(found)}; it has to return a Policy.")
    return found


def checked_losses(losses: object, lists: int, job: str) -> Tensor:
    """`[batch]`, what a method's `loss_of` gave for the lists of a batch.

    Raises:
        ShapeError: it is not one loss for each list.
    """
    if not isinstance(losses, Tensor) or tuple(losses.shape) != (lists,):
        raise ShapeError(f"job {job!r}: loss_of returned {in_words(losses)} for {lists} lists; it has to return a loss for each.")
    return losses


def _tensors(injection: Injection) -> Iterator[Tensor | None]:
    for pair in injection.modulation.values():
        yield from pair
    yield injection.prefix
    for delta in (delta for deltas in injection.deltas.values() for delta in deltas):
        yield from (delta.dense, delta.a, delta.b)
    yield from injection.gates.values()


def _check_pair(name: str, site: str, pair: object, wanted: tuple[int, int]) -> None:
    """Checks that the modulation of a site is a pair of tensors of that shape, or of None."""
    if not isinstance(pair, tuple) or len(pair) != 2:
        raise ShapeError(f"{name} gives {in_words(pair)} for site {site!r}; a modulation is a pair (scale, shift).")
    for which, value in zip(("scale", "shift"), pair, strict=True):
        if value is not None and tuple(value.shape) != wanted:
            raise ShapeError(f"{name} gives site {site!r} a {which} of shape {tuple(value.shape)}; it has to be {wanted}.")


def _number(found: object, kind: str) -> float:
    """What an indicator returned, once it is known to be a number."""
    if not isinstance(found, int | float):
        raise PluginError(f"{kind} returned {in_words(found)}; it has to return a number.")
    if math.isinf(found):
        raise PluginError(f"{kind} returned {found}; it has to return a finite number, or NaN where there is none.")
    return float(found)


def in_words(found: object) -> str:
    """A description of a value for messages."""
    if isinstance(found, Tensor):
        return f"a tensor of shape {tuple(found.shape)}" + ("" if found.is_floating_point() else f" of {found.dtype}")
    name = type(found).__name__
    return "nothing (None)" if found is None else f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"
