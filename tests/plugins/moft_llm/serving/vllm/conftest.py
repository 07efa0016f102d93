"""An engine on a small server that stands for vLLM."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import moft
from moft.api import TextEngineSettings
from moft_llm.generation.opened_llm_run import LLMRun

FAKE = Path(__file__).with_name("fake_vllm.py")


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The place of the files of a fake vLLM, and the interpreter that starts it."""
    place = tmp_path_factory.mktemp("fake")
    python = place / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {FAKE} "$@"\n')
    python.chmod(0o755)
    before = os.environ.get("FAKE_VLLM")
    os.environ["FAKE_VLLM"] = str(place)
    yield SimpleNamespace(place=place, python=str(python))
    if before is None:
        del os.environ["FAKE_VLLM"]


@pytest.fixture(scope="module")
def start(tuned: Callable[..., Path], fake: Any) -> Any:
    """Starts engines on it, of a small run; they are closed in the end."""
    from moft_llm.serving.vllm.engine import VLLMEngine

    made = []

    def started(method: str = "{name: cos-dpo, conditioner: hyper-lora}", **settings: Any) -> Any:
        run = LLMRun(Path("tiny"), "tests", opened=moft.open_run(tuned(method), device="cpu"))
        given = TextEngineSettings(**{"rows": 4, "queue": 8, "engine": "vllm", "python": fake.python} | settings)
        made.append(VLLMEngine(run, given, first_wait=0.05))
        return SimpleNamespace(engine=made[-1], run=run)

    yield started
    for engine in made:
        engine.close(drain=False)


def until(holds: Callable[[], object], seconds: float = 20) -> None:
    """Waits for something."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)
