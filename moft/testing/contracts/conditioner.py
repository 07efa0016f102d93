"""The contract of conditioners."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Generator, Tensor

from moft.errors import ConfigError
from moft.interfaces import Conditioner
from moft.testing.contracts.assertions import (
    broken_rule,
    drawn_weights,
    forked_randomness,
    perturbed,
    require,
    require_finite,
    require_kind,
    require_same,
)
from moft.testing.random_injections import injected_tensors
from moft.types import Injection, ModelSpec

_ROWS = 3
_SPEC = ModelSpec(
    tradeoff_size=2,
    hidden_size=6,
    slots=frozenset({"modulation", "prefix", "deltas", "gates"}),
    sites=("input", "hidden"),
    shapes={"first": (6, 4), "last": (1, 6)},
    ranks={"inner": 3, "outer": 2},
)


def check_conditioner(build: Callable[[ModelSpec], Conditioner], spec: ModelSpec = _SPEC) -> None:
    """Checks the contract of conditioners, for tradeoffs of two and of five entries.

    It fills exactly the slots that it names, with tensors of the model's shapes. Each row of its output depends on the same row
    of the vector only, and does depend on it. Every parameter is used, and at least one has a gradient from the start. Saved
    parameters restore it completely. It refuses a model that lacks its slots. If `per_row` is False, it is called with one row at
    a time.

    Args:
        build: makes a conditioner for the spec of a model.
        spec: to build for; its `tradeoff_size` is replaced.

    Raises:
        AssertionError: a rule is broken; the message gives the rule, what was found and the input.
    """
    for size in (2, 5):
        sized = replace(spec, tradeoff_size=size)
        on = f"vectors of {size} entries"
        with forked_randomness():
            fresh, other = build(sized), build(sized)
        require_kind(fresh, Conditioner, "a moft.api.Conditioner", f"a model's spec, {on}")
        require_kind(
            getattr(fresh, "slots", None), frozenset, "`slots`, a frozenset of the slots that it fills", "the conditioner"
        )
        vectors = drawn_weights(_ROWS, size, Generator().manual_seed(0))
        subject = perturbed(fresh)
        _check_slots(subject, sized, vectors, on)
        _check_rows(subject, vectors, on)
        _check_learning(fresh, subject, vectors, on)
        other.load_state_dict(subject.state_dict())
        loaded, expected = injected_tensors(_injection(other.eval(), vectors)), injected_tensors(_injection(subject, vectors))
        for name, tensor in expected.items():
            require_same(loaded[name], tensor, "the same output after saved parameters are loaded", f"{name}, {on}")
    _check_refusal(build, spec)


def _injection(subject: Conditioner, vectors: Tensor) -> Injection:
    """Of every row: in one call, or where the conditioner asks for it, the first row's alone."""
    injection: Injection = subject(vectors if subject.per_row else vectors[:1])
    return injection


def _check_slots(subject: Conditioner, spec: ModelSpec, vectors: Tensor, on: str) -> None:
    kept = vectors.clone()
    injection = _injection(subject, vectors)
    require_kind(injection, Injection, "an Injection", on)
    require(torch.equal(vectors, kept), "the vector is not changed", "it was changed in place", on)
    for site, pair in injection.modulation.items():
        require(isinstance(pair, tuple) and len(pair) == 2, f"a pair (scale, shift) for site {site!r}", type(pair).__name__, on)
    rows = len(vectors) if subject.per_row else 1
    filled = {
        "modulation": bool(injection.modulation),
        "prefix": injection.prefix is not None,
        "deltas": bool(injection.deltas),
        "gates": bool(injection.gates),
    }
    names = {slot for slot, full in filled.items() if full}
    require(
        names == set(subject.slots) and bool(names),
        f"exactly the slots in `slots` are filled, {sorted(subject.slots)}",
        sorted(names),
        on,
    )
    unknown = (set(injection.modulation) - set(spec.sites)) | (set(injection.deltas) - set(spec.shapes))
    unknown |= set(injection.gates) - set(spec.ranks)
    require(not unknown, "only sites and layers that the model has", sorted(unknown), on)
    for name, tensor in injected_tensors(injection).items():
        expected = _expected_shape(name, spec, rows)
        fits = tensor.dim() == len(expected) and all(want in (-1, got) for want, got in zip(expected, tensor.shape, strict=True))
        require(fits, f"{name} of shape {list(expected)}", list(tensor.shape), on)
        require_finite(tensor, f"{name} is finite", on)
    for layer, deltas in injection.deltas.items():
        for delta in deltas:
            if delta.a is not None and delta.b is not None:
                ranks = delta.a.shape[1], delta.b.shape[2]
                require(ranks[0] == ranks[1], f"both factors of {layer} have the same rank", ranks, on)


def _expected_shape(name: str, spec: ModelSpec, rows: int) -> tuple[int, ...]:
    """The shape that the tensor called `name` must have; -1 is its own choice, the rank or the number of tokens."""
    slot, *rest = name.split(" ")
    if slot == "modulation":
        return rows, spec.hidden_size
    if slot == "prefix":
        return rows, -1, spec.hidden_size
    if slot == "gates":
        return rows, spec.ranks[" ".join(rest)]
    outputs, inputs = spec.shapes[" ".join(rest[:-2])]
    return {"dense": (rows, outputs, inputs), "a": (rows, -1, inputs), "b": (rows, outputs, -1)}[rest[-1]]


def _check_rows(subject: Conditioner, vectors: Tensor, on: str) -> None:
    apart = [injected_tensors(subject(vectors[row : row + 1])) for row in range(_ROWS)]
    if subject.per_row:
        together = injected_tensors(subject(vectors))
        for row, alone in enumerate(apart):
            for name, tensor in alone.items():
                rule = "a row gives the same result alone and in a batch"
                require_same(together[name][row : row + 1], tensor, rule, f"{name}, row {row}, {on}")
    moved = any(not torch.equal(tensor, apart[1][name]) for name, tensor in apart[0].items())
    require(moved, "different vectors give different injections", "two rows are equal in every tensor", on)


def _check_learning(fresh: Conditioner, subject: Conditioner, vectors: Tensor, on: str) -> None:
    for conditioner, state in ((fresh, "as built"), (subject, "with noise on its parameters")):
        generator = Generator().manual_seed(1)
        parameters = {name: value for name, value in conditioner.named_parameters() if value.requires_grad}
        tensors = injected_tensors(_injection(conditioner, vectors)).values()
        total = torch.stack([(tensor * torch.randn(tensor.shape, generator=generator)).sum() for tensor in tensors]).sum()
        slopes = torch.autograd.grad(total, list(parameters.values()), allow_unused=True)
        unused = [name for name, slope in zip(parameters, slopes, strict=True) if slope is None]
        require(not unused, "every parameter is used", f"no gradient for {', '.join(unused)}", f"{on}, {state}")
        learns = any(slope is not None and bool(slope.any()) for slope in slopes)
        require(learns, "at least one parameter has a gradient other than zero", "all gradients are zero", f"{on}, {state}")


def _check_refusal(build: Callable[[ModelSpec], Conditioner], spec: ModelSpec) -> None:
    bare = ModelSpec(spec.tradeoff_size, spec.hidden_size)
    rule, on = "a model that lacks its slots is refused with a ConfigError", "a model without slots"
    try:
        with forked_randomness():
            build(bare)
    except ConfigError:
        return
    except Exception as error:
        raise broken_rule(rule, error, on) from error
    require(False, rule, "it was built", on)
