"""What the contracts share: how a broken promise is reported, and how a subject is prepared."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import TypeVar

import torch
from torch import Generator, Tensor, nn

ModuleT = TypeVar("ModuleT", bound=nn.Module)


def require(kept: bool, promise: str, seen: object, on: str) -> None:
    """Does nothing when a promise was kept.

    Args:
        kept: whether it was.
        promise: what an implementation promises, in words.
        seen: what it did instead.
        on: the input on which it did.

    Raises:
        AssertionError: it was not kept.
    """
    if not kept:
        raise AssertionError(f"promised: {promise}. Seen: {seen}. On: {on}.")


def require_kind(found: object, kind: type[object], promise: str, on: str) -> None:
    """Requires that something is of a type, before anything else is asked of it."""
    require(isinstance(found, kind), promise, "nothing (None)" if found is None else f"a {type(found).__name__}", on)


def require_same(found: Tensor, expected: Tensor, promise: str, on: str, *, tolerance: float = 1e-5) -> None:
    """Requires two tensors to agree, NaN with NaN, within `tolerance` of the larger of one and the largest entry."""
    if found.shape != expected.shape:
        require(False, promise, f"shape {list(found.shape)} instead of {list(expected.shape)}", on)
    if found.numel() == 0 or torch.equal(found, expected):
        return
    found, expected = found.detach().double(), expected.detach().double()
    off = (found - expected).abs()
    off[(found == expected) | (found.isnan() & expected.isnan())] = 0.0  # infinities of one sign, and NaN, agree
    worst = int(off.nan_to_num(nan=torch.inf).argmax())
    scale = max(1.0, float(expected.nan_to_num(posinf=0.0, neginf=0.0).abs().max()))
    seen = f"{found.flatten()[worst].item():.6g} instead of {expected.flatten()[worst].item():.6g}"
    require(bool(off.flatten()[worst] <= tolerance * scale), promise, seen, on)


def require_finite(found: Tensor, promise: str, on: str) -> None:
    """Requires that no entry is NaN or infinite."""
    require(bool(torch.isfinite(found).all()), promise, f"{int((~torch.isfinite(found)).sum())} entries NaN or infinite", on)


@contextmanager
def own_randomness() -> Iterator[None]:
    """The global generator seeded inside, and as it was afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@contextmanager
def untouched_randomness(promise: str, on: str) -> Iterator[None]:
    """Requires that nothing inside draws from the global generator."""
    before = torch.get_rng_state()
    yield
    require(torch.equal(torch.get_rng_state(), before), promise, "the global generator moved", on)


def perturbed(module: ModuleT) -> ModuleT:
    """A copy with noise on its trained parameters, so that layers that start at zero can be seen at work."""
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
