"""Random generators for every purpose of a run, derived from its seed."""

from __future__ import annotations

import hashlib

import torch
from torch import Generator


def derived_seed(seed: int, *purpose: str | int) -> int:
    """A 63-bit seed for one purpose; other purposes of the same run get unrelated ones."""
    text = "/".join(str(part) for part in (seed, *purpose))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator_for(seed: int, *purpose: str | int) -> Generator:
    """A CPU generator seeded for one purpose."""
    return Generator().manual_seed(derived_seed(seed, *purpose))


def seed_initialisation(seed: int, *purpose: str | int) -> None:
    """Seeds torch's global generator, from which modules draw their first weights."""
    torch.manual_seed(derived_seed(seed, *purpose))
