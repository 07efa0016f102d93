"""A run that is killed at any moment and resumed ends with the same bits as one that never was."""

from __future__ import annotations

import random
import subprocess
import time

import pytest

MOFT = "import sys; from moft.cli.app import main; sys.exit(main())"
MOMENTS = {
    "as soon as there is a folder": lambda run, lines: run.exists(),
    "while the base ranker is trained": lambda run, lines: lines >= 3,
    "while the policy is trained": lambda run, lines: lines >= 9,
    "while the results are written": lambda run, lines: (run / "policy" / "policy.safetensors").exists(),
}


@pytest.mark.slow
def test_a_run_killed_again_and_again_ends_as_one_that_never_was(config, finished, moft, warm, learned, tmp_path):
    run = tmp_path / "run"
    words = ["train", str(config), "--out", str(run), "--resume", "--set", "trainer.checkpoint_steps=3"]
    pause = random.Random(0)
    for moment, is_there in MOMENTS.items():
        started = subprocess.Popen([warm, "-c", MOFT, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while started.poll() is None and not is_there(run, journal(run)):
            time.sleep(0.001)
        time.sleep(pause.uniform(0, 0.02))
        started.kill()
        assert started.wait() in (-9, 0), f"the run failed by itself {moment}"
        assert run.exists()
    assert moft(*words).code == 0
    assert learned(run) == learned(finished)
    assert [path.name for path in run.rglob(".*")] == [".lock"]


def journal(run):
    """Lines of the journal so far."""
    try:
        return (run / "steps.jsonl").read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0
