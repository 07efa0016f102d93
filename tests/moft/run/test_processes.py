"""Several processes that train one policy: the losses of one process, and files from the main one alone."""

from __future__ import annotations

import os
import socket
import subprocess

import pytest

from moft.engine.distributed.processes import Processes
from moft.errors import RunError

MOFT = "import sys; from moft.cli.app import main; sys.exit(main())"


def together(python, words, **environment):
    """Two processes as `torchrun --nproc-per-node 2` starts them: exit code, stdout and stderr of each."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {
        **os.environ,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
        **environment,
    }
    started = [
        subprocess.Popen(
            [python, "-c", MOFT, *map(str, words)],
            env={**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    told = [process.communicate(timeout=120) for process in started]
    return [(process.returncode, out, err) for process, (out, err) in zip(started, told, strict=True)]


@pytest.mark.slow
def test_two_processes_give_the_losses_of_one(config, moft, warm, steps, tmp_path):
    words = (
        "--set",
        "method.share_draws=true",
        "--set",
        "task.items_per_batch=50",
        "--set",
        "trainer.gradient_accumulation_steps=2",
    )
    assert moft("train", config, "--out", tmp_path / "one", *words).code == 0
    main, other = together(warm, ["train", config, "--out", tmp_path / "two", *words])
    assert main[0] == other[0] == 0, main[2] + other[2]
    assert f"Front: {tmp_path / 'two' / 'front.png'}" in main[1]
    assert (other[1], other[2]) == ("", ""), "only the main process has something to say"
    assert "destroy_process_group" not in main[2]
    one, two = steps(tmp_path / "one"), steps(tmp_path / "two")
    assert len(one) == len(two) > 5
    for expected, found in zip(one, two, strict=True):
        assert (found.pop("job"), found.pop("step")) == (expected.pop("job"), expected.pop("step"))
        assert found == pytest.approx(expected, rel=1e-5, abs=1e-5)
    assert files(tmp_path / "one") == files(tmp_path / "two")


@pytest.mark.slow
def test_a_mistake_ends_every_process(config, warm, tmp_path):
    (tmp_path / "run" / "notes").mkdir(parents=True)
    for code, out, err in together(warm, ["train", config, "--out", tmp_path / "run"]):
        assert (code, out) == (2, "")
        assert len(err.splitlines()) == 1
        assert "a folder that is not a run already exists here" in err


def test_one_process_is_the_main_one_and_waits_for_nobody():
    processes = Processes(is_cpu=True)
    assert processes.is_main
    assert processes.first(lambda: 3) == 3
    with pytest.raises(RunError, match=r"^mine$"):
        processes.first(fail)
    processes.end()


def fail():
    raise RunError("mine")


def files(run):
    """Names of every file of a run."""
    return sorted(str(path.relative_to(run)) for path in run.rglob("*") if path.is_file())
