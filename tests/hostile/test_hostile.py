"""Mutated inputs of every kind end in numbers or in one line, never in a traceback, a crash, a hang or NaN."""

from __future__ import annotations

import subprocess
from pathlib import Path
from random import Random

import pytest

from tests.hostile.mutations import MUTATIONS, mutated

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_every_mutated_input_is_read_or_refused(warm: str) -> None:
    words = [warm, "-m", "tests.hostile", "--count", "60", "--quick", "--seconds", "60"]
    ended = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize("kind", MUTATIONS)
def test_the_same_seed_gives_the_same_mutation(kind: str) -> None:
    content = b'{"a": [1, 2.5, "text"], "b": {"c": null}}\n' * 3
    first, again = ([mutated(content, kind, Random(seed)) for seed in range(20)] for _ in range(2))
    assert first == again
    assert len(set(first)) > 10
