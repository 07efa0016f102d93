"""`moft` as a run of a sweep: it ends with whoever started it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from moft.cli.commands.sweep import PROGRAM


@pytest.mark.slow
def test_it_is_moft():
    process = subprocess.Popen([*PROGRAM, "--version"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with process:
        assert process.stdout.readline().startswith(b"moft ")
        assert process.wait(60) == 0


def test_it_ends_at_once_when_its_input_does():
    waiting = "from moft.cli import attended, app; import time; app.main = lambda: time.sleep(60); attended.main()"
    process = subprocess.Popen([sys.executable, "-c", waiting], stdin=subprocess.PIPE)
    process.stdin.close()
    assert process.wait(30) == 1
