"""A vLLM that ended is started again, and is gone with who started it."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from moft_llm.serving.vllm.launch import Launch
from moft_llm.serving.vllm.server import KEEPER
from moft_llm.serving.vllm.supervisor import Supervisor
from tests.plugins.moft_llm.serving.vllm.conftest import until


@pytest.fixture
def launch(fake, tmp_path):
    for name in ("export", "adapters"):
        (tmp_path / name).mkdir()
    start = tmp_path / "export" / "start.sh"
    start.write_text('#!/bin/sh\nexec "$PYTHON" -m moft_vllm . "$@"\n')
    start.chmod(0o755)
    (fake.place / "pids").unlink(missing_ok=True)
    return Launch("tiny", fake.python, tmp_path / "export", tmp_path / "adapters", {}, 64, ["--slots", "2"], True)


@pytest.fixture
def supervise(launch):
    made = []

    def start():
        made.append(Supervisor(launch, first_wait=0.02))
        made[-1].wait()
        return made[-1]

    yield start
    for one in made:
        one.stop()


@pytest.fixture
def told(monkeypatch):
    """Levels and fields of what was logged about an event."""
    records, logger, handler = [], logging.getLogger("moft.serve"), logging.Handler()
    handler.emit = records.append
    monkeypatch.setattr(logger, "handlers", [handler])
    monkeypatch.setattr(logger, "level", logging.INFO)
    monkeypatch.setattr(logger, "_cache", {})
    return lambda event: [(one.levelname, one.fields) for one in records if one.getMessage() == event]


def pids(fake):
    return [int(line) for line in (fake.place / "pids").read_text().split()]


def is_gone(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def kept(script, *folders):
    """A keeper that runs a script of the shell."""
    words = [sys.executable, "-I", "-S", str(KEEPER), *map(str, folders), "--", "sh", "-c", script]
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)


def test_a_killed_one_is_started_again_after_waits_that_grow(supervise, launch, fake, told):
    one = supervise()
    assert (one.failure, one.server.longest) == ("", 256)
    (launch.adapters / "1").mkdir()
    for count in range(1, 4):
        pid, before = pids(fake)[-1], one.server
        os.kill(pid, signal.SIGKILL)
        until(lambda before=before: one.server not in (None, before))
        assert len(pids(fake)) == count + 1
        assert is_gone(pid)
    assert not (launch.adapters / "1").exists()
    ended = told("vllm ended")
    assert [(level, fields["again_in"]) for level, fields in ended] == [("ERROR", wait) for wait in (0.02, 0.04, 0.08)]
    assert {fields["reason"] for _, fields in ended} == {"it ended: ended with signal 9"}
    words = json.loads((fake.place / "words").read_text())
    assert words[:5] == ["-m", "moft_vllm", ".", "--slots", "2"]
    assert ("WARNING", {"model": "tiny", "line": "WARNING 11-29 fake: raise the limit against OSError: too many files"}) in told(
        "vllm"
    )
    one.stop()
    assert is_gone(pids(fake)[-1])
    assert one.server is None


@pytest.mark.parametrize("is_silent", [False, True])
def test_one_whose_engine_is_dead_or_that_hangs_is_replaced(supervise, fake, told, monkeypatch, is_silent):
    one, (pid,) = supervise(), pids(fake)
    if is_silent:
        monkeypatch.setattr("moft_llm.serving.vllm.server._ASKED", 0.2)
        os.kill(pid, signal.SIGSTOP)
    else:
        (fake.place / "dead").touch()
    one.doubt()
    until(lambda: one.server is None)
    (fake.place / "dead").unlink(missing_ok=True)
    if is_silent:
        os.kill(pid, signal.SIGKILL)
    until(lambda: one.server is not None)
    assert pids(fake)[-1] != pid
    assert told("vllm ended")[0][1]["reason"].startswith("it answers no more" if is_silent else "its engine is dead")


def test_one_that_never_comes_up_is_not_tried_again(supervise, fake):
    (fake.place / "fault").write_text("ValueError: there is no memory")
    try:
        one = supervise()
    finally:
        (fake.place / "fault").unlink()
    assert one.failure == "it ended before it was ready: ValueError: there is no memory"
    assert one.server is None


def test_a_start_is_interrupted_by_a_stop(launch, monkeypatch):
    monkeypatch.setattr("moft_llm.serving.vllm.server.VLLMServer.health", lambda self: "silent")
    one = Supervisor(launch)
    time.sleep(0.05)
    one.stop()
    one.wait()
    assert one.server is None


def test_what_was_started_is_gone_with_its_parent(tmp_path):
    (tmp_path / "left" / "more").mkdir(parents=True)
    with kept("sleep 60 & echo $$ $!; wait", tmp_path / "left") as keeper:
        said = keeper.stdout.readline() + keeper.stdout.readline()  # in any order
        (leader,) = re.findall(r"started (\d+)\n", said)
        started = [int(word) for word in re.search(r"^\d.*", said, re.MULTILINE)[0].split()]
        assert started[0] == int(leader)
        assert not any(map(is_gone, started))
        keeper.stdin.close()
        assert keeper.wait(20) == 1
    until(lambda: all(map(is_gone, started)))
    assert not (tmp_path / "left").exists()


def test_nothing_is_left_of_a_group_whose_leader_or_whose_keeper_died(supervise, fake, launch):
    one, (pid,) = supervise(), pids(fake)
    keeper, before = one.server._process.pid, one.server
    os.kill(keeper, signal.SIGKILL)
    until(lambda: one.server not in (None, before))
    assert is_gone(pid)
    with kept("sleep 60 & echo $!; exit 3") as left:
        assert left.wait(20) == 3
        *lines, told = left.stdout.read().splitlines()
    (started,) = [int(line) for line in lines if line.isdecimal()]  # beside the keeper's line, in any order
    assert is_gone(started)
    assert told == "ended with exit status 3"


def test_a_command_that_does_not_heed_a_signal_is_ended_by_the_second():
    with kept("trap : TERM; sleep 60 & echo up; wait; wait; exit 4") as keeper:
        while keeper.stdout.readline() != "up\n":
            pass
        keeper.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            keeper.wait(0.1)
        keeper.send_signal(signal.SIGTERM)
        assert keeper.wait(20) == 4


def test_what_pydantic_says_of_a_setting_is_told_whole(supervise, fake):
    (fake.place / "fault").write_text("(APIServer pid=5) pydantic_core.ValidationError: 1 validation error for ModelConfig")
    try:
        assert supervise().failure.endswith("ValidationError: 1 validation error for ModelConfig: INFO giving up")
    finally:
        (fake.place / "fault").unlink()


def test_secrets_of_the_server_stay_there(supervise, fake, monkeypatch):
    monkeypatch.setenv("MOFT_SERVE_TOKEN", "a-token-of-the-tests")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    one = supervise()
    variables = Path(f"/proc/{one.server.pid}/environ").read_text()
    assert "VLLM_API_KEY=" in variables
    assert "a-token-of-the-tests" not in variables
    assert "PYTHONPATH" not in variables
