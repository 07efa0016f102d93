"""`moft serve`: what is wrong is told in one line before anything listens."""

from __future__ import annotations

import gc
import socket

import pytest
from fastapi.testclient import TestClient

import moft_serve.command
import moft_serve.server


@pytest.fixture(autouse=True)
def _without_variable(monkeypatch):
    monkeypatch.delenv("MOFT_SERVE_TOKEN", raising=False)


@pytest.fixture
def serving(monkeypatch):
    """What a server would have been started with."""
    started = []

    class Started:
        def __init__(self, app, limits):
            self.app, self.limits = app, limits

        def run(self, sockets):
            started.append((self.app, self.limits, [each.getsockname() for each in sockets]))

    monkeypatch.setattr(moft_serve.server, "Server", Started)
    monkeypatch.setattr("moft_serve.http.logs.set_up_logs", lambda form: None)
    return started


def test_the_command_serves_runs_by_name(moft, finished, serving, tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text("a-token-of-the-tests\n", encoding="utf-8")
    words = ["serve", finished, f"mine={finished}", "--port", 0, "--token-file", tokens, "--max-queries", 7, "--timeout", 2]
    before = gc.get_freeze_count()
    said = moft(*words)
    assert (said.code, said.mistakes) == (0, [])
    assert gc.get_freeze_count() > before
    ((app, limits, [address]),) = serving
    assert address[0] == "127.0.0.1"
    assert (limits.max_queries, limits.timeout) == (7, 2.0)
    listed = TestClient(app).get("/v1/models", headers={"authorization": "Bearer a-token-of-the-tests"}).json()
    assert [each["id"] for each in listed["data"]] == ["run", "mine"]


def test_other_machines_are_served_with_a_token_or_when_that_is_said(moft, finished, serving, monkeypatch):
    assert moft("serve", finished, "--port", 0, "--host", "0.0.0.0", "--no-token").code == 0
    monkeypatch.setenv("MOFT_SERVE_TOKEN", "a-token-of-the-tests")
    assert moft("serve", finished, "--port", 0, "--host", "0.0.0.0").code == 0
    assert [address[0] for *_, [address] in serving] == ["0.0.0.0"] * 2
    assert [TestClient(app).get("/v1/models").status_code for app, *_ in serving] == [200, 401]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["{finished}", "{finished}"], "is served as 'run' already"),
        (["{nowhere}"], "nowhere"),
        (["{empty}"], "empty"),
        (["{several}"], "several: is not a run folder, but holds some: network, trees; give one, such as"),
        (
            ["{finished}", "--host", "0.0.0.0"],
            "--host 0.0.0.0: whoever reaches this address could use the server; give --token-file",
        ),
        (["{finished}", "--token-file", "{nowhere}"], "cannot be read"),
        (["{finished}", "--log-format", "xml"], "xml"),
        (["{finished}", "--engine", "sglang"], "sglang"),
        (["{finished}", "--vllm-python", "python"], "--vllm-python: has no effect without --engine vllm"),
        (["{finished}", "--engine", "vllm", "--vllm-options", "--x 'y"], "cannot be split into words (no closing quotation)"),
        (["{finished}", "--engine", "vllm", "--port", "0"], "--engine vllm: none of these runs is a language model"),
        (["{finished}", "--port", "70000"], "'--port'"),
    ],
)
def test_a_mistake_is_one_line(moft, finished, tmp_path, serving, words, message):
    (tmp_path / "empty").mkdir()
    for name in ("trees", "network"):
        (tmp_path / "several" / name).mkdir(parents=True)
        (tmp_path / "several" / name / "config.yaml").touch()
    names = {name: tmp_path / name for name in ("nowhere", "empty", "several")} | {"finished": finished}
    said = moft("serve", *(word.format(**names) for word in words))
    assert said.code == 2
    assert len(said.mistakes) == 1
    assert message in said.mistakes[0]
    assert not serving


def test_a_taken_port_is_one_line_before_a_run_is_opened(moft, finished, serving, monkeypatch):
    monkeypatch.setattr("moft_serve.models.served_models.open_run", lambda *_, **__: pytest.fail("a run was opened"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = moft("serve", finished, "--port", port)
    assert said.code == 2
    assert f"127.0.0.1:{port}: cannot be listened on" in said.mistakes[0]


def test_a_missing_package_is_one_line(moft, finished, monkeypatch):
    monkeypatch.setattr(moft_serve.command, "find_spec", lambda name: None if name == "uvicorn" else object())
    said = moft("serve", finished)
    assert said.code == 2
    assert said.mistakes == ["moft: error: moft serve needs the package uvicorn: pip install 'moft[serve]'."]
