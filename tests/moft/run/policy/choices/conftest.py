"""A run of its own for every test."""

from __future__ import annotations

import shutil

import pytest


@pytest.fixture
def run(finished, tmp_path):
    """A copy of the finished run, to choose in."""
    return shutil.copytree(finished, tmp_path / "run")
