"""The page on serving a language model: its requests are answered by a server on a socket."""

from __future__ import annotations

import json
import re
import runpy
import shlex
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from moft_serve.application import application
from moft_serve.http.limits import Limits
from moft_serve.models.served_models import Models
from moft_serve.server import Server, bound_socket

PAGE = Path(__file__).resolve().parents[4] / "docs" / "how-to" / "serve-a-language-model.md"
OBJECTIVES = {"brevity": "brief", "positive": "calm"}
"""Of the page, and of the run of the tests."""

pytestmark = pytest.mark.slow  # a run is trained


@pytest.fixture
def address(served):
    """Of a server with the run under the name of the page's; it stops afterwards."""
    limits = Limits()
    run = replace(next(iter(served.models)), name="stories")
    with bound_socket("127.0.0.1", 0) as listening:
        server = Server(application(Models([run]), served.open, limits=limits), limits)
        server.config.lifespan = "off"  # its end would end the engine of other tests
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join()


def test_the_requests_of_the_page_are_answered(address, tmp_path, capsys):
    text = PAGE.read_text(encoding="utf-8").replace("http://127.0.0.1:8000", address)
    for shown, own in OBJECTIVES.items():
        text = text.replace(shown, own)
    commands = re.findall(r"^\$ (curl .*)$", text, re.M)
    for command in commands:
        done = subprocess.run(shlex.split(command), capture_output=True, text=True, check=True)
        answer = json.loads(done.stdout)
        assert answer["choices"][0]["message"]["content"]
        assert answer["tradeoff"]["weights"] == {"brief": 0.2, "calm": 0.8}
    programs = re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)
    names = {}
    for program in programs:
        (tmp_path / "program.py").write_text(program, encoding="utf-8")
        names = runpy.run_path(str(tmp_path / "program.py"), init_globals=names)
    assert len(commands) == 1
    assert len(programs) == 2
    assert names["answer"].choices[0].message.content in capsys.readouterr().out
    assert names["piece"].usage.completion_tokens > 0
