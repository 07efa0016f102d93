"""Tests of the options of commands that generate text."""

from __future__ import annotations

from dataclasses import asdict

from moft_llm.generation.decoding import Decoding
from moft_llm.text_options import OPTIONS


def test_the_options_are_the_settings_with_their_defaults() -> None:
    defaults = {name: default for name, (_, default) in OPTIONS.items()}
    assert defaults | {"stop": ()} == asdict(Decoding())
