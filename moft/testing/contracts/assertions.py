"""What the contracts share: how a broken rule is reported, and how a subject is prepared."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import TypeVar

import torch
from torch import Generator, Tensor, nn

from moft.errors import PluginError
from moft.suggestions import one_line

ModuleT = TypeVar("ModuleT", bound=nn.Module)


def require(is_met: bool, rule: str, found: object, on: str) -> None:
    """Raises an error if a rule of a contract is broken.

    Args:
        is_met: whether the rule holds.
        rule: what an implementation must do or return, in words.
        found: what it did or returned instead.
        on: the input, in words.

    Raises:
        AssertionError: the rule is broken.
    """
    if not is_met:
        raise AssertionError(f"expected: {rule}; got: {found}; input: {on}.")


def broken_rule(rule: str, error: BaseException, on: str) -> AssertionError:
    """The error to raise in place of one that an implementation raised although a rule forbids it."""
    found = str(error).removesuffix(".") if isinstance(error, PluginError) else one_line(error)
    return AssertionError(f"expected: {rule}; got: {found}; input: {on}.")


def require_kind(found: object, kind: type[object], rule: str, on: str) -> None:
    """Requires that something is of a type, before anything else is checked on it."""
    require(isinstance(found, kind), rule, "None" if found is None else f"a {type(found).__name__}", on)


def require_same(found: Tensor, expected: Tensor, rule: str, on: str, *, tolerance: float = 1e-5) -> None:
    """Requires two tensors to agree, NaN with NaN, within `tolerance` times the largest entry, or times one if that is larger."""
    if found.shape != expected.shape:
        require(False, rule, f"shape {list(found.shape)} instead of {list(expected.shape)}", on)
    if found.numel() == 0 or torch.equal(found, expected):
        return
    found, expected = found.detach().double(), expected.detach().double()
    off = (found - expected).abs()
    off[(found == expected) | (found.isnan() & expected.isnan())] = 0.0  # infinities of one sign, and NaN, agree
    worst = int(off.nan_to_num(nan=torch.inf).argmax())
    scale = max(1.0, float(expected.nan_to_num(posinf=0.0, neginf=0.0).abs().max()))
    difference = f"{found.flatten()[worst].item():.6g} instead of {expected.flatten()[worst].item():.6g}"
    require(bool(off.flatten()[worst] <= tolerance * scale), rule, difference, on)


def require_finite(found: Tensor, rule: str, on: str) -> None:
    """Requires that no entry is NaN or infinite."""
    require(bool(torch.isfinite(found).all()), rule, f"{int((~torch.isfinite(found)).sum())} entries are NaN or infinite", on)


@contextmanager
def forked_randomness() -> Iterator[None]:
    """Seeds the global generator inside, and restores it afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@contextmanager
def unused_global_generator(rule: str, on: str) -> Iterator[None]:
    """Requires that nothing inside uses the global generator."""
    before = torch.get_rng_state()
    yield
    require(torch.equal(torch.get_rng_state(), before), rule, "the global generator was used", on)


def perturbed(module: ModuleT) -> ModuleT:
    """A copy with noise on its trained parameters, so that layers that start at zero have an effect."""
    copy = deepcopy(module).eval()
    generator = Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in copy.parameters():
            if parameter.requires_grad:
                noise = torch.randn(parameter.shape, generator=generator).to(parameter)
                parameter.add_(noise, alpha=0.2)
    return copy


def drawn_weights(rows: int, m: int, generator: Generator) -> Tensor:
    """`[rows, m]` on the simplex, all different."""
    return torch.randn(rows, m, generator=generator).softmax(-1)
